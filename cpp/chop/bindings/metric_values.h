// Metrics on their way from Python and back.
#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "chop/evaluator/metrics/metric_set.h"

namespace chop::bindings {

using PyMetricSpec = std::pair<std::string, std::map<std::string, int64_t>>;
// float64 bytes, shape, whether they are counts.
using MetricValue = std::tuple<pybind11::bytearray, std::vector<int64_t>, bool>;

std::vector<evaluator::MetricSpec> to_metric_specs(const std::vector<PyMetricSpec>& specs);
std::vector<MetricValue> to_metric_values(const std::vector<evaluator::Value>& values);

}  // namespace chop::bindings
