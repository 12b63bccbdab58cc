// The truth about products and encodings: plain loops, one operation after the other.
#include "chop/kernels/reference_product.h"

#include <cmath>
#include <cstdint>

#include "chop/kernels/kernels.h"
#include "chop/kernels/reference_gather.h"

namespace chop::reference {
namespace {

// One finished row as channel `channel` of a group at y.
void put_into(const Finish& f, const float* row, int channel, void* y) {
  const int channels = channels_of(f.to);
  for (int s = 0; s < kBlock; ++s) {
    const int64_t place = int64_t{s} * channels + channel;
    // Where codes have no NaN, any code may stand for it.
    const auto code = static_cast<int>(f.to == Encoding::f32 || std::isnan(row[s]) ? 0.0f : row[s]) + f.zero;
    switch (f.to) {
      case Encoding::f32: static_cast<float*>(y)[place] = row[s]; break;
      case Encoding::u8x4: static_cast<uint8_t*>(y)[place] = static_cast<uint8_t>(code); break;
      case Encoding::s16x2: static_cast<int16_t*>(y)[place] = static_cast<int16_t>(code); break;
    }
  }
}

void* group_at(void* y, int64_t group) { return static_cast<char*>(y) + group * kGroupBytes; }

// The same as channel `channel` of all groups at y.
void put(const Finish& f, const float* row, int channel, void* y) {
  put_into(f, row, channel % channels_of(f.to), group_at(y, channel / channels_of(f.to)));
}

// x's row as channel `channel`, with the constants of `output`.
void finish_row(const Finish& f, int output, const float* x, int channel, void* y) {
  Elementwise op = f.op;
  if (op.alpha) op.alpha += output, op.beta += output;
  float row[kBlock];
  reference_kernels.elementwise(op, x, row, 1);
  put(f, row, channel, y);
}

// Output o at position p of a product, and the channels without an output that fill its group up.
void finish_output(const Product& p, int position, int o, const float* row) {
  const int channels = channels_of(p.finish.to);
  void* y = group_at(p.y, position * p.along + o / channels * p.across);
  if (!p.addend) return finish_into(p.finish, o, row, y, o == p.out - 1);
  Elementwise before;
  if (p.finish.op.alpha) before.alpha = p.finish.op.alpha + o, before.beta = p.finish.op.beta + o;
  before.fused_affine = p.finish.op.fused_affine;
  float sum[kBlock];
  reference_kernels.elementwise(before, row, sum, 1);
  for (int s = 0; s < kBlock; ++s) sum[s] += p.addend[(o * p.addend_across + position) * kBlock + s];
  Finish rest = p.finish;
  rest.op.alpha = nullptr;
  finish_into(rest, o, sum, y, o == p.out - 1);
}

// A group of tap t.
template <class T>
const T* group_of(const Product& p, int position, int t, int group) {
  const int32_t at = p.at[position * p.taps + t];
  const int64_t place = at == kPadded ? group : int64_t{group} * p.stride;
  const auto* from = static_cast<const char*>(at == kPadded ? p.padding : p.x);
  return reinterpret_cast<const T*>(from + (at == kPadded ? 0 : int64_t{at} * p.at_bytes) + place * kGroupBytes);
}

template <class W>
W weight(const Product& p, int o, int t, int group, int channels, int c) {
  const int64_t tile = int64_t{o} / kTile * p.taps * p.groups + int64_t{t} * p.groups + group;
  return static_cast<const W*>(p.weight)[(tile * kTile + o % kTile) * channels + c];
}

// X: numbers of the encoding, W: of the weights; sums are exact in 64 bits and wrap at 32.
template <class X, class W, int channels>
void integers(const Product& p) {
  for (int position = 0; position < p.positions; ++position)
    for (int o = 0; o < p.out; ++o) {
      float row[kBlock];
      for (int s = 0; s < kBlock; ++s) {
        uint64_t sum = 0;
        for (int t = 0; t < p.taps; ++t)
          for (int g = 0; g < p.groups; ++g)
            for (int c = 0; c < channels; ++c) {
              const auto x = static_cast<int64_t>(group_of<X>(p, position, t, g)[s * channels + c]);
              sum += static_cast<uint64_t>(x * weight<W>(p, o, t, g, channels, c));
            }
        sum <<= p.shift;
        if (p.bias) sum += static_cast<uint64_t>(static_cast<const int32_t*>(p.bias)[o]);
        row[s] = static_cast<float>(static_cast<int32_t>(sum)) * p.scale;
      }
      finish_output(p, position, o, row);
    }
}

template <class T>
void floats(const Product& p) {
  for (int position = 0; position < p.positions; ++position)
    for (int o = 0; o < p.out; ++o) {
      float row[kBlock];
      for (int s = 0; s < kBlock; ++s) {
        T sum = p.bias ? static_cast<const T*>(p.bias)[o] : T(0);
        for (int t = 0; t < p.taps; ++t)
          for (int g = 0; g < p.groups; ++g)
            sum += static_cast<T>(group_of<float>(p, position, t, g)[s]) * weight<T>(p, o, t, g, 1, 0);
        row[s] = static_cast<float>(sum);
      }
      finish_output(p, position, o, row);
    }
}

}  // namespace

void finish_into(const Finish& f, int o, const float* row, void* y, bool last) {
  const int channels = channels_of(f.to);
  finish_row(f, o, row, o % channels, y);
  const float nothing[kBlock] = {};
  for (int c = o % channels + 1; last && c < channels; ++c) put(f, nothing, c, y);
}

void encode(const Encode& e) {
  const float nothing[kBlock] = {};
  for (int c = 0; c < e.groups * channels_of(e.finish.to); ++c) {
    if (e.rows[c] < 0) {
      put(e.finish, nothing, c, e.y);
    } else {
      finish_row(e.finish, c, e.x + int64_t{e.rows[c]} * kBlock, c, e.y);
    }
  }
}

void u8x4(const Product& p) { integers<uint8_t, int8_t, 4>(p); }
void s16x2(const Product& p) { integers<int16_t, int16_t, 2>(p); }
void whole(const Product& p) { integers<float, int32_t, 1>(p); }
void exact(const Product& p) { floats<float>(p); }
void ordered(const Product& p) { floats<float>(p); }
void wide(const Product& p) { floats<double>(p); }

}  // namespace chop::reference
