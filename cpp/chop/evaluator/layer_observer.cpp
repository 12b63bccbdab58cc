#include "chop/evaluator/layer_observer.h"

#include <algorithm>
#include <cmath>

#include "chop/evaluator/element_codes.h"
#include "chop/quantizers/quantizer.h"

namespace chop::evaluator {
namespace {

// Codes have up to 32 bits and a sign: sums of 2^16 products fit with shifts to here.
__extension__ typedef __int128 Wide;
constexpr int kMostShift = 40;

// A float times a power of two is exact in double, and so is what is rounded of it here.
double rounded(double at, RoundingMode mode) {
  switch (mode) {
    case RoundingMode::floor: return std::floor(at);
    case RoundingMode::half_up: return std::floor(at + 0.5);
    case RoundingMode::half_even: break;
  }
  return std::nearbyint(at);
}

// Whether the number, rounded to the grid, lies outside the format's range, so that it is clamped or wraps. NaN does
// not.
bool is_beyond(float value, const FixedPoint& f) {
  if (f.width == 0) return false;  // a constant
  const double code = rounded(static_cast<double>(value) * f.inverse_scale(), f.rounding);
  return code < f.qmin() || code > f.qmax();
}

Saturation saturation(const float* values, int64_t count, const FixedPoint& f) {
  Saturation found{0, count};
  for (int64_t i = 0; i < count; ++i) found.beyond += is_beyond(values[i], f);
  return found;
}

Saturation saturation(const ObservedLayer& o, const char* name) {
  if (!o.node->parameter(name)) return {};
  const std::vector<float>& values = o.node->values(name);
  const auto count = static_cast<int64_t>(values.size());
  const ElementFormats* each = o.format.each(name);
  if (!each) return saturation(values.data(), count, *o.format.operand(name));
  const auto outputs = static_cast<size_t>(o.node->parameter("weight")->shape.front());
  const ElementFormats formats = parameter_formats(*each, values.size(), outputs, o.format, name);
  Saturation found{0, count};
  for (size_t i = 0; i < values.size(); ++i) found.beyond += is_beyond(values[i], formats[i]);
  return found;
}

float magnitude(float value) { return std::fabs(value); }
double magnitude(double value) { return std::fabs(value); }
Wide magnitude(Wide value) { return value < 0 ? -value : value; }

double largest(const std::vector<double>& values) {
  double found = 0;
  for (const double value : values) found = std::max(found, std::fabs(value));
  return found;
}

bool first(const std::optional<Counterexample>& a, const Counterexample& b) {
  return !a || b.row < a->row || (b.row == a->row && b.output < a->output);
}

}  // namespace

LayerObserver::LayerObserver(const ObservedLayer& observed) : observed_(observed) {
  found_.node = observed.node->name;
  found_.sums = observed.layer != nullptr;
  if (!found_.sums) return;
  codes_ = layer_codes(*observed.node, observed.format);
  found_.road = observed.layer->road;
  found_.bound = observed.layer->bound;
  found_.unit = observed.layer->unit;
  const int bits = observed.grid.width + observed.format.operand("weight")->width;
  found_.grids_are_close = codes_.shift <= kMostShift && codes_.bias_shift <= kMostShift && bits <= 2 * kMaxWidth;
  if (found_.grids_are_close) weights_ = largest_row(observed) * std::ldexp(1.0, codes_.shift);
  found_.weights = saturation(observed, "weight");
  found_.biases = saturation(observed, "bias");
}

// The largest sum of magnitudes of the codes that one output has.
double LayerObserver::largest_row(const ObservedLayer& observed) const {
  double found = 0, sum = 0;
  const size_t each = codes_.weight.size() / static_cast<size_t>(observed.window->out);
  for (size_t i = 0; i < codes_.weight.size(); ++i) {
    sum = (i % each == 0 ? 0 : sum) + std::fabs(codes_.weight[i]);
    found = std::max(found, sum);
  }
  return found;
}

void LayerObserver::add(const float* x, int64_t first_row, int valid) {
  const bool each = !observed_.elements.empty();
  x_codes_.resize(static_cast<size_t>(observed_.rows) * kBlock);
  for (int r = 0; r < observed_.rows; ++r) {
    const FixedPoint& f = each ? observed_.elements[static_cast<size_t>(r)] : observed_.grid;
    const Saturation s = saturation(x + r * kBlock, valid, f);
    found_.inputs.beyond += s.beyond;
    found_.inputs.count += s.count;
    encode(x + r * kBlock, f, x_codes_.data() + r * kBlock);
  }
  for (int r = 0; r < observed_.rows; ++r)
    for (int i = 0; i < valid; ++i)
      found_.data_is_finite = found_.data_is_finite && !std::isnan(x_codes_[static_cast<size_t>(r * kBlock + i)]);
  if (!found_.countable()) return;
  // Partial sums of whole numbers are exact in the narrowest of these types that holds the largest.
  const double bound = largest_partial_sum(valid);
  if (bound < 0x1p24)
    outputs<float>(first_row, valid);
  else if (bound < 0x1p53)
    outputs<double>(first_row, valid);
  else
    outputs<Wide>(first_row, valid);
}

double LayerObserver::largest_partial_sum(int valid) const {
  double code = 0;
  for (int r = 0; r < observed_.rows; ++r)
    for (int s = 0; s < valid; ++s)
      code = std::max(code, std::fabs(static_cast<double>(x_codes_[static_cast<size_t>(r * kBlock + s)])));
  return weights_ * code + std::ldexp(largest(codes_.bias), codes_.bias_shift);
}

template <class Sum>
void LayerObserver::outputs(int64_t first_row, int valid) {
  const Window& w = *observed_.window;
  for (int place = 0; place < w.places_out; ++place)
    for (int o = 0; o < w.out; ++o) output<Sum>(place, o, first_row, valid);
}

// Codes in units of the common grid, if the row has a format of its own.
void LayerObserver::encode(const float* x, const FixedPoint& f, float* codes) const {
  if (f.width == 0) {
    std::fill(codes, codes + kBlock, 0.0f);
    return;
  }
  quantizers::registry().get(observed_.format.quantizer).codes(x, codes, kBlock, f);
  if (const int shift = observed_.grid.frac_width - f.frac_width)
    for (int s = 0; s < kBlock; ++s) codes[s] = std::ldexp(codes[s], shift);
}

template <class Sum>
void LayerObserver::output(int place, int o, int64_t first_row, int valid) {
  const Window& w = *observed_.window;
  const int channels = w.channels / w.groups, first_channel = o / (w.out / w.groups) * channels;
  const double weight_unit = std::ldexp(found_.unit, codes_.shift);
  const Sum finer = static_cast<Sum>(Wide{1} << codes_.shift);
  Sum sum[kBlock], reach[kBlock];
  float in_float[kBlock];
  const double bias = codes_.bias.empty() ? 0.0 : codes_.bias[static_cast<size_t>(o)];
  for (int s = 0; s < kBlock; ++s) {
    sum[s] = static_cast<Sum>(bias) * static_cast<Sum>(Wide{1} << codes_.bias_shift);
    reach[s] = magnitude(sum[s]);
    in_float[s] = static_cast<float>(static_cast<double>(sum[s]) * found_.unit);
  }
  size_t at = static_cast<size_t>(o) * static_cast<size_t>(channels * w.taps);
  for (int c = 0; c < channels; ++c)
    for (int t = 0; t < w.taps; ++t) {
      const double weight = codes_.weight[at++];
      const int32_t from = w.from[static_cast<size_t>(place * w.taps + t)];
      if (from < 0 || weight == 0.0) continue;
      const float* x = x_codes_.data() + static_cast<size_t>(w.row(first_channel + c, from)) * kBlock;
      const auto value = static_cast<float>(weight * weight_unit);
      const Sum factor = static_cast<Sum>(weight) * finer;
      for (int s = 0; s < valid; ++s) {
        const Sum term = factor * static_cast<Sum>(x[s]);
        sum[s] += term;
        reach[s] += magnitude(term);
        in_float[s] += value * x[s];
      }
    }
  const int output = w.channels_last ? place * w.out + o : o * w.places_out + place;
  for (int s = 0; s < valid; ++s) {
    found_.used = std::max(found_.used, std::fabs(static_cast<double>(sum[s])));
    found_.reach = std::max(found_.reach, static_cast<double>(reach[s]));
    const double exact = static_cast<double>(sum[s]) * found_.unit;
    if (static_cast<double>(in_float[s]) == static_cast<double>(static_cast<float>(exact))) continue;
    const Counterexample example{first_row + s, output, exact, static_cast<double>(in_float[s])};
    if (first(found_.counterexample, example)) found_.counterexample = example;
  }
}

void LayerObserver::merge(const LayerObserver& later) {
  const LayerCertificate& other = later.found_;
  found_.used = std::max(found_.used, other.used);
  found_.reach = std::max(found_.reach, other.reach);
  found_.data_is_finite = found_.data_is_finite && other.data_is_finite;
  found_.inputs.beyond += other.inputs.beyond;
  found_.inputs.count += other.inputs.count;
  if (!found_.counterexample) found_.counterexample = other.counterexample;
}

}  // namespace chop::evaluator
