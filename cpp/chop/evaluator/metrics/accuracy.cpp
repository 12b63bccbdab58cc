// The mean recall of the classes that occur as a label or as a prediction: torchmetrics' macro average.
#include "chop/evaluator/metrics/class_ratio.h"

namespace chop::evaluator {
namespace {

MetricValue accuracy(const Counts& counts) {
  return mean_of_classes(
      counts, [&](size_t c) { return counts.support[c] == 0 ? 0.0 : ratio(counts.correct[c], counts.support[c]); });
}

[[maybe_unused]] const bool registered = add_count_metric(
    "accuracy", "fraction", "maximize",
    "mean over the classes of the right rows over the rows of the class; a class that is neither a label nor a "
    "prediction is left out, one that is only predicted counts as 0 (torchmetrics' macro average, which MASE reports)",
    accuracy);

}  // namespace
}  // namespace chop::evaluator
