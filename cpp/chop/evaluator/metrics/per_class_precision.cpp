// Right rows over the rows that were put into the class.
#include "chop/evaluator/metrics/class_ratio.h"

namespace chop::evaluator {
namespace {

MetricValue per_class_precision(const Counts& counts) {
  return for_each_class(counts, [&](size_t c) { return ratio(counts.correct[c], counts.predicted[c]); });
}

[[maybe_unused]] const bool registered = add_count_metric(
    "per_class_precision", "fraction", "maximize",
    "for each class its right rows over the rows predicted as it; NaN for a class that is never predicted",
    per_class_precision);

}  // namespace
}  // namespace chop::evaluator
