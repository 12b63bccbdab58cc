#include "chop/evaluator/value_layer.h"

#include <cmath>
#include <limits>

#include "chop/core/check.h"
#include "chop/kernels/grid.h"

namespace chop::evaluator {
namespace {

constexpr double kExactFloat = 16777216.0;  // 2^24
constexpr int kDeepest = 100;               // units between 2^-100 and 2^100 keep sums far from float's limits
constexpr double kNone = std::numeric_limits<double>::infinity();

std::vector<double> values(const ir::Node& node, const char* name, const NodeFormat& format) {
  const ir::Parameter* parameter = node.parameter(name);
  if (!parameter) return {};
  std::vector<float> found = node.values(name);
  if (const quantizers::BoundFormat* f = format.value(name)) {
    const ir::Shape& shape = parameter->shape;
    quantizers::quantize_tensor(*f, {shape.begin(), shape.end()}, found.data(), found.data());
  } else if (const FixedPoint* grid = format.operand(name)) {
    check(!format.each(name), "evaluator: node ", format.node, ": ", name,
          " has a format for each element, and another operand is in no fixed-point format");
    kernels().fake_quantize_f32(found.data(), found.data(), static_cast<int64_t>(found.size()),
                                grid_of<GridF32>(*grid));
  }
  return {found.begin(), found.end()};
}

// The exponent of the lowest bit that any of them has; a large one for zeros only.
int lowest_bit(const std::vector<double>& numbers) {
  int lowest = 1000;
  for (const double v : numbers) {
    if (v == 0.0 || !std::isfinite(v)) continue;
    int exponent = 0;
    double fraction = std::frexp(v, &exponent);
    int bits = 0;
    for (; fraction != std::floor(fraction); ++bits) fraction *= 2.0;
    lowest = std::min(lowest, exponent - bits);
  }
  return lowest;
}

double largest_sum(const std::vector<double>& weight, size_t outputs) {
  const size_t inputs = weight.size() / outputs;
  double most = 0.0;
  for (size_t o = 0; o < outputs; ++o) {
    double sum = 0.0;
    for (size_t i = 0; i < inputs; ++i) sum += std::fabs(weight[o * inputs + i]);
    most = larger(most, sum);
  }
  return most;
}

std::optional<quantizers::ValueGrid> grid_of_input(const NodeFormat& format) {
  if (const quantizers::BoundFormat* f = format.value("data_in")) return f->grid();
  const FixedPoint* f = format.operand("data_in");
  if (!f || format.each("data_in")) return std::nullopt;
  return quantizers::ValueGrid{-f->frac_width, f->largest_code() * f->scale()};
}

// The narrowest signed format with these multiples of 2^step; none with 16 bits or less.
std::optional<FixedPoint> narrowest(int step, double largest) {
  constexpr int kMostBits = 16;
  int bits = 1;
  while (bits <= kMostBits && std::ldexp(largest, -step) > std::ldexp(1.0, bits - 1) - 1.0) ++bits;
  if (bits > kMostBits || std::abs(step) > kMaxFracWidth) return std::nullopt;
  return FixedPoint{bits, -step, true};
}

std::optional<FixedPoint> narrowest(const std::vector<double>& numbers) {
  double largest = 0.0;
  for (const double v : numbers) largest = larger(largest, std::fabs(v));
  if (largest == 0.0) return FixedPoint{1, 0, true};
  return std::isfinite(largest) ? narrowest(lowest_bit(numbers), largest) : std::nullopt;
}

// The layer on integers, where its operands' values are few enough.
std::optional<Layer> integer_layer(const ir::Node& node, const Window& window, const NodeFormat& format,
                                   const std::vector<double>& weight, const std::vector<double>& bias, bool finite,
                                   bool nonnegative) {
  const auto grid = grid_of_input(format);
  if (!grid || (format.operand("data_in") && format.quantizer != "integer")) return std::nullopt;
  const FixedPoint* given = format.operand("data_in");
  const auto data = given ? std::optional(*given) : narrowest(grid->step, grid->largest);
  const auto of_weight = narrowest(weight), of_bias = narrowest(bias);
  if (!data || !of_weight || !of_bias) return std::nullopt;
  NodeFormat codes{node.name, "integer", {{"data_in", *data}, {"weight", *of_weight}, {"bias", *of_bias}}, nullptr};
  ir::Node rounded = node;
  for (ir::Parameter& p : rounded.parameters) {
    const std::vector<double>& from = p.name == "weight" ? weight : bias;
    p = ir::Parameter::of(p.name, p.shape, {from.begin(), from.end()});
  }
  if (!takes_codes(rounded, &codes)) return std::nullopt;
  Layer layer = make_layer(rounded, window, &codes, {finite, nonnegative});
  if (layer.encoding == Encoding::f32) return std::nullopt;
  layer.codes_in = false;
  layer.value_codes = data;
  return layer;
}

}  // namespace

Layer make_value_layer(const ir::Node& node, const Window& window, const NodeFormat& format, bool finite,
                       bool nonnegative) {
  const std::vector<double> weight = values(node, "weight", format), bias = values(node, "bias", format);
  Layer layer;
  layer.gain = largest_sum(weight, static_cast<size_t>(window.out));
  for (const double b : bias) layer.offset = larger(layer.offset, std::fabs(b));
  layer.road = Road::float64;
  layer.bound = kNone;
  if (const auto grid = grid_of_input(format)) {
    const int unit = std::min(lowest_bit(weight) + grid->step, lowest_bit(bias));
    if (std::abs(unit) <= kDeepest) {
      layer.unit = std::ldexp(1.0, unit);
      layer.bound = (layer.gain * grid->largest + layer.offset) / layer.unit;
      if (layer.bound < kExactFloat) layer.road = Road::exact_float32;
    }
  }
  if (auto integers = integer_layer(node, window, format, weight, bias, finite, nonnegative)) {
    integers->bound = layer.bound;  // the codes have room for a few more values
    return std::move(*integers);
  }
  pack_numbers(window, weight, bias, &layer);
  return layer;
}

}  // namespace chop::evaluator
