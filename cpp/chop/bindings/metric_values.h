// Metrics on their way from Python and back.
#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "chop/evaluator/metrics/metric_set.h"

namespace chop::bindings {

using PyMetricSpec = std::pair<std::string, std::map<std::string, int64_t>>;

std::vector<evaluator::MetricSpec> to_metric_specs(const std::vector<PyMetricSpec>& specs);
// Of each metric a number, or (float64 bytes, shape, whether they are counts).
pybind11::list to_metric_values(const std::vector<evaluator::MetricValue>& values);

}  // namespace chop::bindings
