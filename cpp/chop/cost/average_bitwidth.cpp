// MASE's two figures of weight storage, and what they leave out: convolutions, biases and float layers.
#include <cmath>
#include <limits>

#include "chop/cost/model.h"

namespace chop::cost {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

double width(const Operation&, const Widths& w) { return w.configured.value_or(kNone); }
double density(const Operation&, const Widths& w) { return w.configured ? kFloatBits / *w.configured : kNone; }
double no_value(const Operation&, const Widths&) { return kNone; }

double mean(const std::vector<Operation>& operations, const std::vector<double>& values) {
  double bits = 0, weights = 0;
  for (size_t i = 0; i < operations.size(); ++i) {
    if (std::isnan(values[i])) continue;
    bits += values[i] * operations[i].weights;
    weights += operations[i].weights;
  }
  return weights > 0 ? bits / weights : kFloatBits;
}

double mean_density(const std::vector<Operation>& operations, std::vector<double> const& densities) {
  std::vector<double> widths;
  for (const double d : densities) widths.push_back(kFloatBits / d);
  return kFloatBits / mean(operations, widths);
}

[[maybe_unused]] const bool width_registered = registry().add(
    "average_bitwidth",
    {"bits",
     "mean weight width of the quantized linear layers, by number of weights, as MASE's search counts it: biases, "
     "convolutions and float layers are left out, a bypassed layer counts at its configured width; 32 if no "
     "linear layer is quantized",
     no_value,
     {{"linear", width}},
     mean});

[[maybe_unused]] const bool density_registered = registry().add(
    "memory_density", {"ratio",
                       "32 over 'average_bitwidth': how many times fewer bits the weights of the quantized "
                       "linear layers take than as floats",
                       no_value,
                       {{"linear", density}},
                       mean_density});

}  // namespace
}  // namespace chop::cost
