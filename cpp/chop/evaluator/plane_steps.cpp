#include "chop/evaluator/plane_steps.h"

#include <algorithm>
#include <cstring>

#include "chop/kernels/kernels.h"

namespace chop::evaluator {
namespace {

int channel_groups(int channels, Encoding encoding) {
  return (channels + channels_of(encoding) - 1) / channels_of(encoding);
}

int written_groups(const Window& rows, Encoding to) { return channel_groups(rows.out, to) * rows.places_out; }

// A layer's input: groups of all channels, and memory for what its taps see of them.
int input_groups(const Window& rows, Encoding encoding) { return groups_per_tap(rows, encoding) * rows.groups; }

// What the taps of one row of places see.
int seen_groups(const PlaneWindow& w, const Layer& layer) { return w.taps * input_groups(w.rows, layer.encoding); }

// What one call sees shall stay in the nearest cache; or, where a row fills much of it, the weights, for some rows.
int rows_together(const PlaneWindow& w, const Layer& layer) {
  constexpr int kNear = (36 << 10) / kGroupBytes, kMuch = kNear / 2, kFar = (320 << 10) / kGroupBytes, kMost = 8;
  if (!w.gathers()) return w.rows.places_out;
  const int seen = seen_groups(w, layer);
  const int rows = layer.matrices && seen >= kMuch ? std::min(kFar / seen, kMost) : kNear / seen;
  return std::clamp(rows, 1, w.rows.places_out);
}

int product_groups(const PlaneWindow& w, const Layer& layer, Encoding to) {
  const int seen = w.gathers() ? rows_together(w, layer) * seen_groups(w, layer) + kMatrix : 0;
  return written_groups(w.rows, to) + seen;
}

uint32_t word_of_zero(const Layer& layer) { return static_cast<uint32_t>(layer.zero) * 0x01010101u; }

int lanes_of(const PlaneWindow& w, int row) {
  const int left = w.lanes_out - row * kBlock;
  return std::min(kBlock, (left + kPieceLanes - 1) / kPieceLanes * kPieceLanes);
}

std::byte* group_at(void* y, int64_t group) { return static_cast<std::byte*>(y) + group * kGroupBytes; }
const std::byte* group_at(const void* x, int64_t group) {
  return static_cast<const std::byte*>(x) + group * kGroupBytes;
}

Gather gather_of(const PlaneWindow& w, int row, int planes, const void* x, uint32_t fill, void* y) {
  return {x, int64_t{w.rows.places_in} * kBlock, planes, w.table.row(row), fill, y};
}

}  // namespace

PlaneInputStep::PlaneInputStep(int channels, int places, int images)
    : Step(channels * plane_rows(images, places)), channels_(channels), places_(places), images_(images) {}

void PlaneInputStep::run(const void* const* in, void* out) const {
  const auto* x = static_cast<const float*>(in[0]);
  const int64_t plane = int64_t{plane_rows(images_, places_)} * kBlock;
  for (int c = 0; c < channels_; ++c) {
    float* y = static_cast<float*>(out) + c * plane;
    for (int i = 0; i < images_; ++i, y += places_)
      std::memcpy(y, x + (int64_t{i} * channels_ + c) * places_, static_cast<size_t>(places_) * sizeof(float));
    std::fill(y, static_cast<float*>(out) + (c + 1) * plane, 0.0f);
  }
}

JoinStep::JoinStep(int channels, int places, int images)
    : Step(channels * places), channels_(channels), places_(places), images_(images) {}

void JoinStep::run(const void* const* in, void* out) const {
  const int64_t plane = int64_t{plane_rows(images_, places_)} * kBlock;
  auto* y = static_cast<float*>(out);
  for (int c = 0; c < channels_; ++c) {
    const float* x = static_cast<const float*>(in[0]) + c * plane;
    for (int p = 0; p < places_; ++p, y += kBlock)
      for (int i = 0; i < images_; ++i) y[i] = x[i * places_ + p];
  }
}

PlaneMeanStep::PlaneMeanStep(int channels, int places, int images)
    : Step(channels), channels_(channels), places_(places), images_(images) {}

void PlaneMeanStep::run(const void* const* in, void* out) const {
  const auto* x = static_cast<const float*>(in[0]);
  for (int i = 0; i < images_; ++i) {
    float* y = static_cast<float*>(out) + i;
    kernels().planes.sum_wide(x + i * places_, int64_t{plane_rows(images_, places_)} * kBlock, channels_, places_, y);
    for (int c = 0; c < channels_; ++c) y[c * kBlock] /= static_cast<float>(places_);
  }
}

PlanePoolStep::PlanePoolStep(std::shared_ptr<const PlaneWindow> window, int channels)
    : Step(channels * window->rows.places_out + (window->taps + 1) * channels),
      window_(std::move(window)),
      channels_(channels) {
  for (int c = 0; c < channels_; ++c) {
    begin_.push_back(static_cast<int32_t>(rows_.size()));
    for (int tap = 0; tap < window_->taps; ++tap) rows_.push_back(tap * channels_ + c);
  }
  begin_.push_back(static_cast<int32_t>(rows_.size()));
}

void PlanePoolStep::run(const void* const* in, void* out) const {
  const PlaneWindow& w = *window_;
  auto* y = static_cast<float*>(out);
  const int rows = w.rows.places_out;
  float* found = y + int64_t{channels_} * rows * kBlock;
  float* seen = found + int64_t{channels_} * kBlock;
  for (int row = 0; row < rows; ++row) {
    kernels().planes.gather(gather_of(w, row, channels_, in[0], 0xff800000u, seen));  // minus infinity
    kernels().rows.largest({begin_.data(), rows_.data(), channels_}, seen, found);
    for (int c = 0; c < channels_; ++c)
      std::memcpy(y + (int64_t{c} * rows + row) * kBlock, found + c * kBlock, kGroupBytes);
  }
}

bool is_depthwise(const PlaneWindow& window, const Layer& layer) {
  const Window& w = window.rows;
  return w.groups > 1 && w.channels == w.groups && window.gathers() && layer.road == Road::exact_float32;
}

PlaneProductStep::PlaneProductStep(std::shared_ptr<const PlaneWindow> window, std::shared_ptr<const Layer> layer,
                                   Ending ending)
    : Step(product_groups(*window, *layer, ending.finish.to)),
      window_(std::move(window)),
      layer_(std::move(layer)),
      ending_(std::move(ending)),
      together_(rows_together(*window_, *layer_)),
      kernel_(kernel_of(layer_->road)) {
  const Window& w = window_->rows;
  const bool gathers = window_->gathers();
  call_.groups = groups_per_tap(w, layer_->encoding) * layer_->merged;
  call_.stride = gathers ? 1 : w.places_in;
  call_.taps = window_->taps / layer_->merged;
  for (int row = 0; row < together_; ++row)
    for (int t = 0; t < call_.taps; ++t)
      at_.push_back(gathers ? row * seen_groups(*window_, *layer_) + t * input_groups(w, layer_->encoding) : row);
  call_.at = at_.data();
  call_.roomy = gathers && layer_->matrices;
  call_.matrices = layer_->matrices;
  call_.shift = layer_->shift;
  call_.scale = layer_->scale;
  fold_scales(&ending_, &call_.scale);
  call_.out = w.out / w.groups;
  call_.finish = finish_of(ending_);
  call_.along = 1;
  call_.across = call_.addend_across = w.places_out;
}

void PlaneProductStep::run(const void* const* in, void* out) const {
  const PlaneWindow& w = *window_;
  std::byte* seen = group_at(out, written_groups(w.rows, ending_.finish.to));
  const int planes = input_groups(w.rows, layer_->encoding);
  for (int row = 0; row < w.rows.places_out; row += together_) {
    const int count = std::min(together_, w.rows.places_out - row);
    for (int i = 0; i < count && w.gathers(); ++i) {
      std::byte* to = group_at(seen, int64_t{i} * seen_groups(w, *layer_));
      kernels().planes.gather(gather_of(w, row + i, planes, in[0], word_of_zero(*layer_), to));
    }
    const float* addend = ending_.adds ? static_cast<const float*>(in[1]) + int64_t{row} * kBlock : nullptr;
    products(row, count, w.gathers() ? seen : group_at(in[0], row), addend, group_at(out, row));
  }
}

void PlaneProductStep::products(int row, int count, const std::byte* x, const float* addend, std::byte* y) const {
  Product call = call_;
  call.positions = count;
  call.lanes = count == 1 ? lanes_of(*window_, row) : kBlock;
  for (int g = 0; g < window_->rows.groups; ++g) {
    call.x = group_at(x, int64_t{g} * call.groups * call.stride);
    call.y = group_at(y, int64_t{g} * call.out * call.across);
    call.weight = layer_->weight_of(g);
    call.bias = layer_->bias_of(g);
    call.addend = addend ? addend + int64_t{g} * call.out * call.addend_across * kBlock : nullptr;
    kernel_(call);
    if (call.finish.op.alpha) call.finish.op.alpha += call.out, call.finish.op.beta += call.out;
  }
}

DepthwiseStep::DepthwiseStep(std::shared_ptr<const PlaneWindow> window, std::shared_ptr<const Layer> layer,
                             Ending ending)
    : Step(written_groups(window->rows, ending.finish.to)),
      window_(std::move(window)),
      layer_(std::move(layer)),
      ending_(std::move(ending)) {
  const Window& w = window_->rows;
  call_.plane = int64_t{w.places_in} * kBlock;
  call_.taps = window_->taps;
  call_.out = w.out;
  call_.multiplier = w.out / w.groups;
  // The layer has them in tiles of outputs.
  for (int o = 0; o < w.out; ++o)
    for (int t = 0; t < call_.taps; ++t) {
      const int inside = o % call_.multiplier;
      const auto* part = layer_->weight_of(o / call_.multiplier);
      weight_.push_back(
          reinterpret_cast<const float*>(part)[(inside / kTile * call_.taps + t) * kTile + inside % kTile]);
    }
  call_.weight = weight_.data();
  call_.bias = layer_->bias.empty() ? nullptr : reinterpret_cast<const float*>(layer_->bias.data());
  float scale = 1.0f;
  fold_scales(&ending_, &scale);
  call_.finish = finish_of(ending_);
  call_.across = w.places_out;
}

void DepthwiseStep::run(const void* const* in, void* out) const {
  Depthwise call = call_;
  call.x = static_cast<const float*>(in[0]);
  for (int row = 0; row < window_->rows.places_out; ++row) {
    call.pieces = window_->table.row(row);
    call.y = group_at(out, row);
    kernels().planes.depthwise(call);
  }
}

}  // namespace chop::evaluator
