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
  found_.weights = saturation(observed, "weight");
  found_.biases = saturation(observed, "bias");
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
  const Window& w = *observed_.window;
  for (int place = 0; place < w.places_out; ++place)
    for (int o = 0; o < w.out; ++o) output(place, o, first_row, valid);
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

void LayerObserver::output(int place, int o, int64_t first_row, int valid) {
  const Window& w = *observed_.window;
  const int channels = w.channels / w.groups, first_channel = o / (w.out / w.groups) * channels;
  const double weight_unit = std::ldexp(found_.unit, codes_.shift);
  Wide sum[kBlock], reach[kBlock];
  float in_float[kBlock];
  const double bias = codes_.bias.empty() ? 0.0 : codes_.bias[static_cast<size_t>(o)];
  for (int s = 0; s < kBlock; ++s) {
    sum[s] = static_cast<Wide>(bias) * (Wide{1} << codes_.bias_shift);
    reach[s] = sum[s] < 0 ? -sum[s] : sum[s];
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
      for (int s = 0; s < valid; ++s) {
        const Wide term = static_cast<Wide>(weight) * static_cast<Wide>(x[s]) * (Wide{1} << codes_.shift);
        sum[s] += term;
        reach[s] += term < 0 ? -term : term;
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
