#include "chop/evaluator/weights.h"

#include <cmath>
#include <cstring>

namespace chop::evaluator {
namespace {

// A weight's place is the sum of one number of its output and one of its input: see WeightOrder.
template <class T>
PackedWeights pack(const Window& w, const std::vector<double>& weight, const WeightOrder& order, int merged) {
  const int channels = w.channels / w.groups;
  const int tap_channels = order.groups * order.channels / merged;
  std::vector<int64_t> inputs;
  for (int c = 0; c < channels; ++c)
    for (int t = 0; t < w.taps; ++t) inputs.push_back(order.place(0, t / merged, t % merged * tap_channels + c));
  const auto group = static_cast<size_t>(order.count());
  PackedWeights made{std::vector<std::byte>(group * static_cast<size_t>(w.groups) * sizeof(T)), group * sizeof(T)};
  const double* from = weight.data();
  for (int g = 0; g < w.groups; ++g)
    for (int o = 0; o < order.out; ++o) {
      std::byte* to =
          made.bytes.data() + (static_cast<size_t>(g) * group + static_cast<size_t>(order.place(o, 0, 0))) * sizeof(T);
      for (const int64_t input : inputs) {
        const auto number = static_cast<T>(*from++);
        std::memcpy(to + static_cast<size_t>(input) * sizeof(T), &number, sizeof number);
      }
    }
  return made;
}

}  // namespace

PackedWeights pack_weights(const Window& window, const std::vector<double>& weight, const WeightLayout& layout) {
  const int channels = channels_of(layout.encoding);
  const int groups = (window.channels / window.groups + channels - 1) / channels;
  const WeightOrder order{window.out / window.groups, window.taps / layout.merged, groups * layout.merged, channels,
                          layout.matrices};
  switch (layout.road) {
    case Road::int8: return pack<int8_t>(window, weight, order, layout.merged);
    case Road::int16: return pack<int16_t>(window, weight, order, layout.merged);
    case Road::int32: return pack<int32_t>(window, weight, order, layout.merged);
    case Road::float64: return pack<double>(window, weight, order, layout.merged);
    case Road::exact_float32:
    case Road::float32: break;
  }
  return pack<float>(window, weight, order, layout.merged);
}

WeightSums sums_of(const std::vector<double>& weight, size_t outputs) {
  WeightSums found;
  const size_t inputs = weight.size() / outputs;
  for (size_t o = 0; o < outputs; ++o) {
    double magnitude = 0.0, sum = 0.0;
    for (size_t i = o * inputs; i < (o + 1) * inputs; ++i) magnitude += std::fabs(weight[i]), sum += weight[i];
    found.magnitudes.push_back(magnitude);
    found.sums.push_back(sum);
  }
  return found;
}

}  // namespace chop::evaluator
