// The harmonic mean of recall and precision.
#include "chop/evaluator/metrics/class_ratio.h"

namespace chop::evaluator {
namespace {

MetricValue per_class_f1(const Counts& counts) {
  return for_each_class(counts, [&](size_t c) { return f1(counts, c); });
}

[[maybe_unused]] const bool registered =
    add_count_metric("per_class_f1", "fraction", "maximize",
                     "for each class the harmonic mean of its recall and its precision; NaN for a class that is "
                     "neither a label nor a prediction",
                     per_class_f1);

}  // namespace
}  // namespace chop::evaluator
