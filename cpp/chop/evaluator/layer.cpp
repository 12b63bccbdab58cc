#include "chop/evaluator/layer.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "chop/core/check.h"
#include "chop/evaluator/element_codes.h"
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

double total(const std::vector<double>& weight, size_t inputs, size_t o) {
  double sum = 0.0;
  for (size_t i = 0; i < inputs; ++i) sum += std::fabs(weight[o * inputs + i]);
  return sum;
}

// The largest |sum| of any output when no |input| is larger than x_max.
double worst_case(const std::vector<double>& weight, const std::vector<double>& bias, size_t inputs, double x_max,
                  double product_unit, double bias_unit) {
  double bound = 0.0;
  for (size_t o = 0; o * inputs < weight.size(); ++o) {
    const double sum =
        total(weight, inputs, o) * x_max * product_unit + (bias.empty() ? 0.0 : std::fabs(bias[o]) * bias_unit);
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

class Packer {
 public:
  Packer(const Window& window, int channels, bool matrices)
      : w_(window),
        order_{w_.out / w_.groups, w_.taps, (w_.channels / w_.groups + channels - 1) / channels, channels, matrices} {}

  // weight: [out][channels / groups][taps], as torch keeps it.
  template <class T>
  void pack(const std::vector<double>& weight, std::vector<std::byte>* to, size_t* group_bytes) const {
    const int channels = w_.channels / w_.groups;
    const auto group = static_cast<size_t>(order_.count());
    std::vector<T> packed(group * static_cast<size_t>(w_.groups));
    size_t from = 0;
    for (int g = 0; g < w_.groups; ++g)
      for (int o = 0; o < order_.out; ++o)
        for (int c = 0; c < channels; ++c)
          for (int t = 0; t < w_.taps; ++t)
            packed[static_cast<size_t>(g) * group + static_cast<size_t>(order_.place(o, t, c))] =
                static_cast<T>(weight[from++]);
    store(packed, to);
    *group_bytes = group * sizeof(T);
  }

  template <class T>
  void pack_bias(const std::vector<double>& bias, std::vector<std::byte>* to, size_t* group_bytes) const {
    store(std::vector<T>(bias.begin(), bias.end()), to);
    *group_bytes = bias.size() / static_cast<size_t>(w_.groups) * sizeof(T);
  }

 private:
  template <class T>
  static void store(const std::vector<T>& numbers, std::vector<std::byte>* to) {
    to->resize(numbers.size() * sizeof(T));
    if (!numbers.empty()) std::memcpy(to->data(), numbers.data(), to->size());
  }

  const Window& w_;
  WeightOrder order_;
};

void pack(const Window& window, const std::vector<double>& weight, const std::vector<double>& bias, Layer* layer) {
  const int channels = channels_of(layer->encoding);
  const int groups = (window.channels / window.groups + channels - 1) / channels;
  layer->matrices =
      layer->road == Road::int8 && kernels().product.takes_matrices(window.out / window.groups, window.taps, groups);
  const Packer packer(window, channels, layer->matrices);
  switch (layer->road) {
    case Road::int8: packer.pack<int8_t>(weight, &layer->weight, &layer->weight_bytes); break;
    case Road::int16: packer.pack<int16_t>(weight, &layer->weight, &layer->weight_bytes); break;
    case Road::int32: packer.pack<int32_t>(weight, &layer->weight, &layer->weight_bytes); break;
    case Road::float64:
      packer.pack<double>(weight, &layer->weight, &layer->weight_bytes);
      return packer.pack_bias<double>(bias, &layer->bias, &layer->bias_bytes);
    case Road::exact_float32:
    case Road::float32:
      packer.pack<float>(weight, &layer->weight, &layer->weight_bytes);
      return packer.pack_bias<float>(bias, &layer->bias, &layer->bias_bytes);
  }
  packer.pack_bias<int32_t>(bias, &layer->bias, &layer->bias_bytes);
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
void take_off_zero(const LayerCodes& codes, size_t inputs, const Layer& layer, std::vector<double>* bias) {
  constexpr double kModulus = 4294967296.0;
  for (size_t o = 0; o < bias->size(); ++o) {
    double sum = 0.0;
    for (size_t i = 0; i < inputs; ++i) sum += codes.weight[o * inputs + i];
    const double off = std::remainder((*bias)[o] - std::ldexp(sum * layer.zero, layer.shift), kModulus);
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

Layer code_layer(const ir::Node& node, const Window& window, const NodeFormat& format, bool finite, bool nonnegative) {
  const FixedPoint &x = *format.operand("data_in"), &weight = *format.operand("weight");
  const LayerCodes codes = layer_codes(node, format);
  Layer layer;
  layer.codes_in = true;
  layer.unit = std::ldexp(1.0, -codes.finest);
  layer.shift = codes.shift;
  const ElementFormats* features = format.each("data_in");
  layer.bound =
      worst_case(features ? reaching(codes.weight, *features, window, x) : codes.weight, codes.bias, inputs_of(window),
                 features ? 1.0 : x.largest_code(), std::ldexp(1.0, codes.shift), std::ldexp(1.0, codes.bias_shift));
  layer.offset = layer.bound * layer.unit;
  const CodeRange weights = format.each("weight") ? codes_of(codes.weight) : codes_of(weight, false);
  const CodeRange inputs = codes_of(x, nonnegative);
  layer.road = CodeSums{x,           inputs,      weights,      finite,
                        layer.bound, codes.shift, codes.finest, window.groups > 1 && window.groups == window.channels}
                   .road();
  if (layer.road == Road::float64 || layer.road == Road::exact_float32) {
    pack(window, scaled(codes.weight, std::ldexp(1.0, codes.shift - codes.finest)),
         scaled(codes.bias, std::ldexp(1.0, codes.bias_shift - codes.finest)), &layer);
    return layer;
  }
  layer.scale = static_cast<float>(layer.unit);
  std::vector<double> bias = scaled(codes.bias, std::ldexp(1.0, codes.bias_shift));
  bias.resize(static_cast<size_t>(window.out));
  if (layer.road == Road::int16) layer.encoding = Encoding::s16x2;
  if (layer.road == Road::int8) {
    layer.encoding = Encoding::u8x4;
    layer.zero = inputs.within(0, 255) ? 0 : 128;
    if (layer.zero) take_off_zero(codes, inputs_of(window), layer, &bias);
  }
  pack(window, codes.weight, bias, &layer);
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
  layer.gain = worst_case(weight, {}, inputs_of(window), 1.0, 1.0, 1.0);
  for (const double b : bias) layer.offset = larger(layer.offset, std::fabs(b));
  pack(window, weight, bias, &layer);
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
  pack(window, weight, bias, layer);
}

bool takes_codes(const ir::Node& node, const NodeFormat* format) {
  const auto on_grid = [&](const char* name) {
    const FixedPoint* f = format->operand(name);
    return f && f->width <= kMostCommonBits;
  };
  return format && on_grid("data_in") && on_grid("weight") && (!node.parameter("bias") || on_grid("bias"));
}

LayerCodes layer_codes(const ir::Node& node, const NodeFormat& format) {
  LayerCodes codes;
  codes.weight = numbers(node, "weight", &format);
  codes.bias = numbers(node, "bias", &format);
  const int product_frac = format.operand("data_in")->frac_width + format.operand("weight")->frac_width;
  const int bias_frac = codes.bias.empty() ? product_frac : format.operand("bias")->frac_width;
  codes.finest = std::max(product_frac, bias_frac);
  codes.shift = codes.finest - product_frac;
  codes.bias_shift = codes.finest - bias_frac;
  return codes;
}

Layer make_layer(const ir::Node& node, const Window& window, const NodeFormat* format, bool finite, bool nonnegative) {
  return takes_codes(node, format) ? code_layer(node, window, *format, finite, nonnegative)
                                   : float_layer(node, window, format);
}

}  // namespace chop::evaluator
