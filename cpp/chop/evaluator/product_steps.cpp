#include "chop/evaluator/product_steps.h"

#include <algorithm>
#include <cmath>

#include "chop/kernels/kernels.h"

namespace chop::evaluator {
namespace {

int written_groups(const Window& window, Encoding to) {
  return to == Encoding::f32 ? window.out * window.places_out
                             : window.places_out * ((window.out + channels_of(to) - 1) / channels_of(to));
}

}  // namespace

void fold_scales(Ending* ending, float* scale) {
  if (ending->alpha.empty() || ending->finish.to == Encoding::f32) return;
  // Far from subnormal numbers and from infinity: what is computed then differs by a power of two, and by nothing else.
  const auto within = [](float v, int bits) {
    return v == 0.0f || (std::fabs(v) >= std::ldexp(1.0f, -bits) && std::fabs(v) <= std::ldexp(1.0f, bits));
  };
  const auto near = [&](const std::vector<float>& numbers) {
    return std::all_of(numbers.begin(), numbers.end(), [&](float v) { return within(v, 20); });
  };
  float* inverse = &ending->finish.op.grid.inverse_step;
  if (!within(*scale, 40) || !within(*inverse, 30) || !near(ending->alpha) || !near(ending->beta)) return;
  const float after = ending->adds ? 1.0f : *inverse;  // an addend has no scale
  for (float& alpha : ending->alpha) alpha *= *scale * after;
  for (float& beta : ending->beta) beta *= after;
  *scale = 1.0f;
  if (!ending->adds) *inverse = 1.0f;
}

Finish finish_of(const Ending& ending) {
  Finish finish = ending.finish;
  finish.op.alpha = ending.alpha.empty() ? nullptr : ending.alpha.data();
  finish.op.beta = ending.beta.empty() ? nullptr : ending.beta.data();
  return finish;
}

auto kernel_of(Road road) -> void (*)(const Product&) {
  const ProductKernels& k = kernels().product;
  switch (road) {
    case Road::float32: return k.ordered;
    case Road::exact_float32: return k.exact;
    case Road::int8: return k.u8x4;
    case Road::int16: return k.s16x2;
    case Road::int32: return k.whole;
    case Road::float64: return k.wide;
  }
  return k.wide;
}

int groups_per_tap(const Window& window, Encoding encoding) {
  return (window.channels / window.groups + channels_of(encoding) - 1) / channels_of(encoding);
}

std::vector<int32_t> input_rows(const Window& window, Encoding encoding) {
  const int channels = window.channels / window.groups;
  const int padded = groups_per_tap(window, encoding) * channels_of(encoding);
  std::vector<int32_t> rows;
  for (int place = 0; place < window.places_in; ++place)
    for (int g = 0; g < window.groups; ++g)
      for (int c = 0; c < padded; ++c) rows.push_back(c < channels ? window.row(g * channels + c, place) : -1);
  return rows;
}

EncodeStep::EncodeStep(std::vector<int32_t> rows, Ending ending)
    : Step(static_cast<int>(rows.size()) / channels_of(ending.finish.to)),
      rows_(std::move(rows)),
      ending_(std::move(ending)) {
  float scale = 1.0f;
  fold_scales(&ending_, &scale);
  call_.rows = rows_.data();
  call_.groups = groups();
  call_.finish = finish_of(ending_);
}

void EncodeStep::run(const void* const* in, void* out) const {
  Encode call = call_;
  call.x = static_cast<const float*>(in[0]);
  call.y = out;
  kernels().encode(call);
}

ProductStep::ProductStep(std::shared_ptr<const Window> window, std::shared_ptr<const Layer> layer, Ending ending)
    : Step(written_groups(*window, ending.finish.to)),
      window_(std::move(window)),
      layer_(std::move(layer)),
      ending_(std::move(ending)),
      kernel_(kernel_of(layer_->road)) {
  const Window& w = *window_;
  const bool floats = layer_->encoding == Encoding::f32;
  call_.groups = groups_per_tap(w, layer_->encoding);
  // In floats a channel's places lie side by side; other encodings are packed for their reader.
  call_.stride = floats && !w.channels_last ? w.places_in : 1;
  const int place = floats && !w.channels_last ? 1 : call_.groups * w.groups;
  for (const int32_t from : w.from) at_.push_back(from == kPadded ? kPadded : from * place);
  if (w.padded()) padding_.assign(static_cast<size_t>(call_.groups) * kGroupBytes, static_cast<uint8_t>(layer_->zero));
  call_.at = at_.data();
  call_.padding = padding_.data();
  call_.positions = w.places_out;
  call_.taps = w.taps;
  call_.shift = layer_->shift;
  call_.scale = layer_->scale;
  fold_scales(&ending_, &call_.scale);
  call_.out = w.out / w.groups;
  call_.finish = finish_of(ending_);
  call_.place_side_by_side();
}

void ProductStep::run(const void* const* in, void* out) const {
  const Window& w = *window_;
  const bool places = layer_->encoding == Encoding::f32 && !w.channels_last;
  // From one convolution group's channels to the next.
  const size_t step_in =
      static_cast<size_t>(call_.groups) * static_cast<size_t>(places ? w.places_in : 1) * kGroupBytes;
  const size_t step_out = static_cast<size_t>(call_.out) * static_cast<size_t>(w.places_out) * kGroupBytes;
  for (int g = 0; g < w.groups; ++g) {
    const auto part = static_cast<size_t>(g);
    Product call = call_;
    call.x = static_cast<const std::byte*>(in[0]) + part * step_in;
    call.y = static_cast<std::byte*>(out) + part * step_out;
    call.weight = layer_->weight_of(g);
    call.matrices = layer_->matrices;
    call.bias = layer_->bias_of(g);
    if (call.finish.op.alpha) call.finish.op.alpha += g * call.out, call.finish.op.beta += g * call.out;
    kernel_(call);
  }
}

}  // namespace chop::evaluator
