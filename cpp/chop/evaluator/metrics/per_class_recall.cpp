// Right rows over the rows of the class.
#include "chop/evaluator/metrics/class_ratio.h"

namespace chop::evaluator {
namespace {

MetricValue per_class_recall(const Counts& counts) {
  return for_each_class(counts, [&](size_t c) { return ratio(counts.correct[c], counts.support[c]); });
}

[[maybe_unused]] const bool registered =
    add_count_metric("per_class_recall", "fraction", "maximize",
                     "for each class its right rows over its rows; NaN for a class without rows", per_class_recall);

}  // namespace
}  // namespace chop::evaluator
