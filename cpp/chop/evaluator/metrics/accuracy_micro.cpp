// Right rows over all rows.
#include <numeric>

#include "chop/evaluator/metrics/metric.h"

namespace chop::evaluator {
namespace {

MetricValue accuracy_micro(const Counts& counts) {
  const int64_t right = std::accumulate(counts.correct.begin(), counts.correct.end(), int64_t{0});
  return number(static_cast<double>(right) / static_cast<double>(counts.rows));
}

[[maybe_unused]] const bool registered =
    add_count_metric("accuracy_micro", "fraction", "maximize", "right rows over all rows", accuracy_micro);

}  // namespace
}  // namespace chop::evaluator
