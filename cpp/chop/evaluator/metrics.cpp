#include "chop/evaluator/metrics.h"

#include <cstddef>
#include <numeric>

namespace chop::evaluator {

double Metrics::loss() const { return loss_sum / static_cast<double>(rows); }

double Metrics::accuracy_micro() const {
  return static_cast<double>(std::accumulate(correct.begin(), correct.end(), int64_t{0})) / static_cast<double>(rows);
}

double Metrics::accuracy_macro() const {
  double recalls = 0.0;
  int64_t classes = 0;
  for (std::size_t c = 0; c < support.size(); ++c) {
    if (support[c] == 0 && predicted[c] == 0) continue;
    ++classes;
    if (support[c] > 0) recalls += static_cast<double>(correct[c]) / static_cast<double>(support[c]);
  }
  return recalls / static_cast<double>(classes);
}

}  // namespace chop::evaluator
