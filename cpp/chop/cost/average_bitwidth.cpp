// Width of the weights that are quantized, on average; and the same as MASE counts it.
#include <cmath>

#include "chop/cost/model.h"

namespace chop::cost {
namespace {

double width(const Operation& o, const Widths& w) { return o.is_layer ? w.configured.value_or(kUnknown) : kUnknown; }
double width_as_mase(const Operation& o, const Widths& w) { return o.is_linear_layer ? width(o, w) : kUnknown; }
double density(const Operation& o, const Widths& w) { return kFloatBits / width(o, w); }
double density_as_mase(const Operation& o, const Widths& w) { return kFloatBits / width_as_mase(o, w); }

double mean(const std::vector<Operation>& operations, const std::vector<double>& values) {
  double bits = 0, weights = 0;
  for (size_t i = 0; i < operations.size(); ++i) {
    if (std::isnan(values[i])) continue;
    bits += values[i] * operations[i].weights;
    weights += operations[i].weights;
  }
  return weights > 0 ? bits / weights : kFloatBits;
}

double mean_density(const std::vector<Operation>& operations, const std::vector<double>& densities) {
  std::vector<double> widths;
  for (const double d : densities) widths.push_back(kFloatBits / d);
  return kFloatBits / mean(operations, widths);
}

bool add(const char* name, const char* unit, const char* definition, Rule rule, Total total) {
  return registry().add(name, {unit, definition, rule, total, false, false});
}

[[maybe_unused]] const bool registered[] = {
    add("average_bitwidth", "bits",
        "mean weight width of the quantized layers (linear, convolution), by number of weights, shared ones once, at "
        "the largest width; biases and float layers are left out, a bypassed layer counts at its configured width; 32 "
        "if no layer is quantized",
        width, mean),
    add("average_bitwidth_mase", "bits",
        "as 'average_bitwidth', of linear layers alone: MASE's count, which leaves out convolutions", width_as_mase,
        mean),
    add("memory_density", "ratio",
        "32 over 'average_bitwidth': how many times fewer bits the weights of the quantized layers take than as floats",
        density, mean_density),
    add("memory_density_mase", "ratio", "32 over 'average_bitwidth_mase'", density_as_mase, mean_density)};

}  // namespace
}  // namespace chop::cost
