// The mean recall of the classes that occur as a label or as a prediction: torchmetrics' macro average.
#include "chop/evaluator/metrics/metric.h"

namespace chop::evaluator {
namespace {

MetricValue accuracy(const Counts& counts) {
  double recalls = 0.0;
  int64_t classes = 0;
  for (size_t c = 0; c < counts.support.size(); ++c) {
    if (counts.support[c] == 0 && counts.predicted[c] == 0) continue;
    ++classes;
    if (counts.support[c] > 0)
      recalls += static_cast<double>(counts.correct[c]) / static_cast<double>(counts.support[c]);
  }
  return number(recalls / static_cast<double>(classes));
}

[[maybe_unused]] const bool registered = add_count_metric(
    "accuracy", "fraction", "maximize",
    "mean over the classes of the right rows over the rows of the class; a class that is neither a label nor a "
    "prediction is left out, one that is only predicted counts as 0 (torchmetrics' macro average, which MASE reports)",
    accuracy);

}  // namespace
}  // namespace chop::evaluator
