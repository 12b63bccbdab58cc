// The metrics of logits that lie there.
#pragma once

#include <vector>

#include "chop/evaluator/metrics/metric_set.h"

namespace chop::evaluator {

// logits, reference: [rows][classes], reference null or of the float model; labels: rows class indices, or null.
struct Outputs {
  const float* logits = nullptr;
  const int64_t* labels = nullptr;
  const float* reference = nullptr;
  int64_t rows = 0;
  int64_t classes = 0;
};

// One value a spec, the same for any number of threads. Throws std::invalid_argument on what MetricSet refuses, on
// labels out of range, on no rows and on a reference that a metric needs and that is null.
std::vector<MetricValue> score(const Outputs& outputs, const std::vector<MetricSpec>& specs, int threads);

}  // namespace chop::evaluator
