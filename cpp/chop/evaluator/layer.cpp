#include "chop/evaluator/layer.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "chop/core/check.h"
#include "chop/evaluator/element_codes.h"
#include "chop/evaluator/plan_key.h"
#include "chop/kernels/kernels.h"
#include "chop/quantizers/quantizer.h"

namespace chop::evaluator {
namespace {

constexpr double kExactFloat = 16777216.0;  // 2^24: below it, every sum of grid units is exact in float
constexpr double kInt32 = 2147483647.0;     // 2^31 - 1
constexpr int kDeepestGrid = 100;           // grids between 2^-100 and 2^100 keep sums far from float's limits
constexpr int kMostShift = 24;

// The operand's codes, or its values where it has no format.
std::vector<double> numbers(const ir::Node& node, const char* name, const NodeFormat* format) {
  if (!node.parameter(name)) return {};
  const std::vector<float>& values = node.values(name);
  const FixedPoint* f = format ? format->operand(name) : nullptr;
  if (!f) return {values.begin(), values.end()};
  if (const ElementFormats* each = format->each(name)) {
    const auto outputs = static_cast<size_t>(node.parameter("weight")->shape.front());
    return element_codes(values, parameter_formats(*each, values.size(), outputs, *format, name), *format, *f);
  }
  std::vector<float> codes(values.size());
  quantizers::registry()
      .get(format->quantizer)
      .codes(values.data(), codes.data(), static_cast<int64_t>(values.size()), *f);
  return {codes.begin(), codes.end()};
}

// The largest |sum| of any output when no |input| is larger than x_max. magnitudes: of each output's weights.
double worst_case(const std::vector<double>& magnitudes, const std::vector<double>& bias, double x_max,
                  double product_unit, double bias_unit) {
  double bound = 0.0;
  for (size_t o = 0; o < magnitudes.size(); ++o) {
    const double sum = magnitudes[o] * x_max * product_unit + (bias.empty() ? 0.0 : std::fabs(bias[o]) * bias_unit);
    bound = larger(bound, sum);
  }
  return bound;
}

// Codes that can occur.
struct CodeRange {
  double low, high;
  bool within(double least, double most) const { return low >= least && high <= most; }
};

CodeRange codes_of(const FixedPoint& f, bool nonnegative) { return {nonnegative ? 0.0 : f.qmin(), f.qmax()}; }

// Of a weight whose elements have formats of their own, few codes come near the ends of the common format.
CodeRange codes_of(const std::vector<double>& codes) {
  CodeRange range{0.0, 0.0};
  for (const double code : codes) range = {code < range.low ? code : range.low, larger(range.high, code)};
  return range;
}

template <class T>
void store_bias(const std::vector<double>& bias, int groups, Layer* layer) {
  const std::vector<T> numbers(bias.begin(), bias.end());
  layer->bias.resize(numbers.size() * sizeof(T));
  if (!numbers.empty()) std::memcpy(layer->bias.data(), numbers.data(), layer->bias.size());
  layer->bias_bytes = layer->bias.size() / static_cast<size_t>(groups);
}

// weight: () -> the numbers; exponent: they are the weights' codes times 2^exponent. key: names those codes.
template <class Weights>
void pack(const Window& window, const Weights& weight, int exponent, const std::vector<double>& bias,
          const LayerInput& input, const Key& key, Layer* layer) {
  WeightLayout layout{layer->road, layer->encoding, false, 1};
  if (layer->road == Road::int8) {
    const int channels = channels_of(layer->encoding), merged = input.side_by_side;
    const int groups = (window.channels / window.groups + channels - 1) / channels;
    layout.matrices =
        kernels().product.takes_matrices(window.out / window.groups, window.taps / merged, groups * merged);
    if (layout.matrices) layout.merged = merged;
  }
  layer->matrices = layout.matrices;
  layer->merged = layout.merged;
  layer->shares_weight = input.cache != nullptr;
  const auto make = [&] { return pack_weights(window, weight(), layout); };
  layer->weight =
      input.cache ? input.cache->packed(key, layout, exponent, make) : std::make_shared<PackedWeights>(make());
  switch (layer->road) {
    case Road::float64: return store_bias<double>(bias, window.groups, layer);
    case Road::exact_float32:
    case Road::float32: return store_bias<float>(bias, window.groups, layer);
    default: return store_bias<int32_t>(bias, window.groups, layer);
  }
}

std::vector<double> scaled(std::vector<double> numbers, double unit) {
  for (double& v : numbers) v *= unit;
  return numbers;
}

size_t inputs_of(const Window& window) {
  return static_cast<size_t>(window.channels / window.groups) * static_cast<size_t>(window.taps);
}

// Sums of codes: the road is chosen by what the formats and the bound allow.
struct CodeSums {
  const FixedPoint& format;  // of the input
  CodeRange x, weight;
  bool finite;
  double bound;
  int shift, finest;
  bool alone;  // each output sees one channel

  Road road() const {
    const bool deep = std::abs(finest) > kDeepestGrid || std::abs(finest - shift) > kDeepestGrid;
    if (deep || !(bound <= kInt32)) return Road::float64;
    const bool integers = finite && shift <= kMostShift;
    // Kernels that pack codes know MASE's modes only.
    const bool packs = format.rounding == RoundingMode::half_even && format.overflow == OverflowMode::saturate;
    const bool bytes = weight.within(-128, 127) && (x.within(0, 255) || codes_of(format, false).within(-128, 127));
    if (alone && bound < kExactFloat) return Road::exact_float32;  // groups of codes would hold one channel each
    if (integers && packs && bytes) return Road::int8;
    if (bound < kExactFloat) return Road::exact_float32;
    if (!integers) return Road::float64;
    const bool shorts = weight.within(-32768, 32767) && x.within(-32768, 32767);
    if (packs && shorts) return Road::int16;
    return x.within(-kInt32, kInt32) && weight.within(-kInt32, kInt32) ? Road::int32 : Road::float64;
  }
};

// Inputs of the int8 road carry `zero` on top; what that adds to each sum is taken off its bias, modulo 2^32 as the
// kernel counts.
void take_off_zero(const std::vector<double>& sums, const Layer& layer, std::vector<double>* bias) {
  constexpr double kModulus = 4294967296.0;
  for (size_t o = 0; o < bias->size(); ++o) {
    const double off = std::remainder((*bias)[o] - std::ldexp(sums[o] * layer.zero, layer.shift), kModulus);
    (*bias)[o] = off == kModulus / 2 ? -off : off;
  }
}

// The weights times the largest code of the feature that each meets.
std::vector<double> reaching(std::vector<double> weight, const ElementFormats& features, const Window& window,
                             const FixedPoint& common) {
  check(features.size() == static_cast<size_t>(window.channels), "evaluator: data_in has ", window.channels,
        " features, got formats for ", features.size());
  const auto taps = static_cast<size_t>(window.taps), inputs = inputs_of(window);
  const auto outputs = static_cast<size_t>(window.out / window.groups), channels = inputs / taps;
  for (size_t i = 0; i < weight.size(); ++i) {
    const size_t group = i / inputs / outputs, channel = group * channels + i % inputs / taps;
    weight[i] *= largest_code(features[channel], common);
  }
  return weight;
}

// What is known of a layer's weights, and the weights themselves, where somebody asks for them.
class Weights {
 public:
  Weights(const ir::Node& node, const NodeFormat& format, const LayerInput& input) : node_(node), format_(format) {
    key_ = {input.node, reinterpret_cast<intptr_t>(&quantizers::registry().get(format.quantizer))};
    append(&key_, format.operand("weight"));
    if (const ElementFormats* each = format.each("weight")) append(&key_, *each);
    const auto outputs = static_cast<size_t>(node.parameter("weight")->shape.front());
    const auto make = [&] { return sums_of(codes(), outputs); };
    sums_ = input.cache ? input.cache->sums(key_, make) : std::make_shared<WeightSums>(make());
  }

  const std::vector<double>& codes() {
    if (codes_.empty()) codes_ = numbers(node_, "weight", &format_);
    return codes_;
  }
  const WeightSums& sums() const { return *sums_; }
  const Key& key() const { return key_; }

 private:
  const ir::Node& node_;
  const NodeFormat& format_;
  Key key_;
  std::vector<double> codes_;
  std::shared_ptr<const WeightSums> sums_;
};

Layer code_layer(const ir::Node& node, const Window& window, const NodeFormat& format, const LayerInput& input) {
  const FixedPoint &x = *format.operand("data_in"), &weight = *format.operand("weight");
  const LayerCodes grids = layer_grids(node, format);
  Weights known(node, format, input);
  Layer layer;
  layer.codes_in = true;
  layer.unit = std::ldexp(1.0, -grids.finest);
  layer.shift = grids.shift;
  const ElementFormats* features = format.each("data_in");
  const double unit = std::ldexp(1.0, grids.shift), bias_unit = std::ldexp(1.0, grids.bias_shift);
  if (features) {
    const auto reach = sums_of(reaching(known.codes(), *features, window, x), static_cast<size_t>(window.out));
    layer.bound = worst_case(reach.magnitudes, grids.bias, 1.0, unit, bias_unit);
  } else {
    layer.bound = worst_case(known.sums().magnitudes, grids.bias, x.largest_code(), unit, bias_unit);
  }
  layer.offset = layer.bound * layer.unit;
  const CodeRange weights = format.each("weight") ? codes_of(known.codes()) : codes_of(weight, false);
  const CodeRange inputs = codes_of(x, input.nonnegative);
  layer.road = CodeSums{x,           inputs,      weights,      input.finite,
                        layer.bound, grids.shift, grids.finest, window.groups > 1 && window.groups == window.channels}
                   .road();
  if (layer.road == Road::float64 || layer.road == Road::exact_float32) {
    const int exponent = grids.shift - grids.finest;
    const auto numbers_of_weights = [&] { return scaled(known.codes(), std::ldexp(1.0, exponent)); };
    pack(window, numbers_of_weights, exponent, scaled(grids.bias, std::ldexp(1.0, grids.bias_shift - grids.finest)),
         input, known.key(), &layer);
    return layer;
  }
  layer.scale = static_cast<float>(layer.unit);
  std::vector<double> bias = scaled(grids.bias, bias_unit);
  bias.resize(static_cast<size_t>(window.out));
  if (layer.road == Road::int16) layer.encoding = Encoding::s16x2;
  if (layer.road == Road::int8) {
    layer.encoding = Encoding::u8x4;
    layer.zero = inputs.within(0, 255) ? 0 : 128;
    if (layer.zero) take_off_zero(known.sums().sums, layer, &bias);
  }
  if (std::all_of(bias.begin(), bias.end(), [](double b) { return b == 0.0; })) bias.clear();
  const auto codes = [&]() -> const std::vector<double>& { return known.codes(); };
  pack(window, codes, 0, bias, input, known.key(), &layer);
  return layer;
}

double unit_of(const NodeFormat* format, const char* name) {
  const FixedPoint* f = format ? format->operand(name) : nullptr;
  return f ? f->scale() : 1.0;
}

// A float layer, or one whose operands are not all on grids: sums of floats in a fixed order.
Layer float_layer(const ir::Node& node, const Window& window, const NodeFormat* format) {
  const std::vector<double> weight = scaled(numbers(node, "weight", format), unit_of(format, "weight"));
  const std::vector<double> bias = scaled(numbers(node, "bias", format), unit_of(format, "bias"));
  Layer layer;
  layer.gain = worst_case(sums_of(weight, static_cast<size_t>(window.out)).magnitudes, {}, 1.0, 1.0, 1.0);
  for (const double b : bias) layer.offset = larger(layer.offset, std::fabs(b));
  pack_numbers(window, weight, bias, &layer);
  return layer;
}

}  // namespace

const char* road_name(Road road) {
  switch (road) {
    case Road::exact_float32: return "fp32";
    case Road::int8: return "int8";
    case Road::int16: return "int16";
    case Road::int32: return "int32";
    case Road::float64: return "fp64";
    case Road::float32: break;
  }
  return "float";
}

void pack_numbers(const Window& window, const std::vector<double>& weight, const std::vector<double>& bias,
                  Layer* layer) {
  const auto numbers = [&]() -> const std::vector<double>& { return weight; };
  pack(window, numbers, 0, bias, {}, {}, layer);
}

bool takes_codes(const ir::Node& node, const NodeFormat* format) {
  const auto on_grid = [&](const char* name) {
    const FixedPoint* f = format->operand(name);
    return f && f->width <= kMostCommonBits;
  };
  return format && on_grid("data_in") && on_grid("weight") && (!node.parameter("bias") || on_grid("bias"));
}

LayerCodes layer_grids(const ir::Node& node, const NodeFormat& format) {
  LayerCodes codes;
  codes.bias = numbers(node, "bias", &format);
  const int product_frac = format.operand("data_in")->frac_width + format.operand("weight")->frac_width;
  const int bias_frac = codes.bias.empty() ? product_frac : format.operand("bias")->frac_width;
  codes.finest = std::max(product_frac, bias_frac);
  codes.shift = codes.finest - product_frac;
  codes.bias_shift = codes.finest - bias_frac;
  return codes;
}

LayerCodes layer_codes(const ir::Node& node, const NodeFormat& format) {
  LayerCodes codes = layer_grids(node, format);
  codes.weight = numbers(node, "weight", &format);
  return codes;
}

Layer make_layer(const ir::Node& node, const Window& window, const NodeFormat* format, const LayerInput& input) {
  return takes_codes(node, format) ? code_layer(node, window, *format, input) : float_layer(node, window, format);
}

}  // namespace chop::evaluator
