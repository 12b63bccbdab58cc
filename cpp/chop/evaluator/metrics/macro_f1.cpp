// The mean F1 of the classes that occur.
#include "chop/evaluator/metrics/class_ratio.h"

namespace chop::evaluator {
namespace {

MetricValue macro_f1(const Counts& counts) {
  return mean_of_classes(counts, [&](size_t c) { return f1(counts, c); });
}

[[maybe_unused]] const bool registered =
    add_count_metric("macro_f1", "fraction", "maximize",
                     "mean of per_class_f1 over the classes that are a label or a prediction", macro_f1);

}  // namespace
}  // namespace chop::evaluator
