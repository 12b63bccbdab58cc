// The mean F1 of the classes that occur.
#include <cmath>

#include "chop/evaluator/metrics/class_ratio.h"

namespace chop::evaluator {
namespace {

MetricValue macro_f1(const Counts& counts) {
  double sum = 0.0;
  int64_t classes = 0;
  for (size_t c = 0; c < counts.support.size(); ++c) {
    const double of_class = f1(counts, c);
    if (std::isnan(of_class)) continue;
    sum += of_class;
    ++classes;
  }
  return number(sum / static_cast<double>(classes));
}

[[maybe_unused]] const bool registered =
    add_count_metric("macro_f1", "fraction", "maximize",
                     "mean of per_class_f1 over the classes that are a label or a prediction", macro_f1);

}  // namespace
}  // namespace chop::evaluator
