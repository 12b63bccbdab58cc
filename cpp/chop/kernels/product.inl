// The loops that all products share: positions, tiles of outputs, vectors of samples, taps, groups. See dot.inl for
// what differs. Included by *.simd.cpp only.
#pragma once

#include "chop/kernels/dot.inl"
#include "chop/kernels/simd_tables.h"

namespace chop::CHOP_ISA {
namespace {

// Vectors of samples at a time: with kTile outputs each, their sums and operands fit the registers.
inline constexpr int kCols = kLanes == 16 ? 4 : 2;

// Integer sums: the bias joins at the end where the sum is shifted, else it is the start.
template <class Dot, int WeightBytes>
struct IntegerSums : Dot {
  using Sum = int32_t;
  using V = Words;
  static constexpr int lanes = kLanes;
  static constexpr int weight_bytes = WeightBytes;
  static constexpr bool integers = true;

  static V start(const Product& p, int o) {
    return V{} + (p.shift == 0 && p.bias ? static_cast<uint32_t>(static_cast<const int32_t*>(p.bias)[o]) : 0u);
  }
  static void keep(const Product& p, int o, V sum, int32_t* to) {
    if (p.shift > 0)
      sum = (sum << p.shift) + (p.bias ? static_cast<uint32_t>(static_cast<const int32_t*>(p.bias)[o]) : 0u);
    __builtin_memcpy(to, &sum, sizeof sum);
  }
};

template <class T>
struct FloatSums : Numbers<T> {
  using Sum = float;
  using V = typename VectorOf<T>::type;
  static constexpr int lanes = VectorOf<T>::lanes;
  static constexpr int weight_bytes = sizeof(T);
  static constexpr bool integers = false;

  static V start(const Product& p, int o) { return V{} + (p.bias ? static_cast<const T*>(p.bias)[o] : T(0)); }
  static void keep(const Product&, int, V sum, float* to) {
    const auto rounded = __builtin_convertvector(sum, typename VectorOf<T>::floats);
    __builtin_memcpy(to, &rounded, sizeof rounded);
  }
};

// Rows outputs from `o` on, at one position; `weight` is their tile's.
template <class Sums, int Rows>
inline void tile(const Product& p, const int32_t* at, int o, const char* weight, typename Sums::Sum (*to)[kBlock]) {
  constexpr int line = kTile * Sums::weight_bytes;  // weights of one group
  for (int s = 0; s < kBlock; s += kCols * Sums::lanes) {
    typename Sums::V sum[Rows][kCols];
    CHOP_UNROLL for (int r = 0; r < Rows; ++r) {
      CHOP_UNROLL for (int c = 0; c < kCols; ++c) sum[r][c] = Sums::start(p, o + r);
    }
    const char* w = weight;
    for (int t = 0; t < p.taps; ++t) {
      const bool padded = at[t] == kPadded;
      if (!Sums::integers && padded) {
        w += p.groups * line;
        continue;
      }
      const char* x = padded ? static_cast<const char*>(p.padding)
                             : static_cast<const char*>(p.x) + static_cast<int64_t>(at[t]) * kGroupBytes;
      const int64_t step = static_cast<int64_t>(padded ? 1 : p.stride) * kGroupBytes;
      x += s * 4;
      for (int g = 0; g < p.groups; ++g, x += step, w += line) {
        typename Sums::Input input[kCols];
        CHOP_UNROLL for (int c = 0; c < kCols; ++c) input[c] = Sums::input(x + c * Sums::lanes * 4);
        CHOP_UNROLL for (int r = 0; r < Rows; ++r) {
          const typename Sums::Weight factor = Sums::weight(w + r * Sums::weight_bytes);
          CHOP_UNROLL for (int c = 0; c < kCols; ++c) Sums::add(sum[r][c], input[c], factor);
        }
      }
    }
    CHOP_UNROLL for (int r = 0; r < Rows; ++r) {
      CHOP_UNROLL for (int c = 0; c < kCols; ++c) Sums::keep(p, o + r, sum[r][c], to[r] + s + c * Sums::lanes);
    }
  }
}

template <class Sums>
inline void some_rows(const Product& p, int rows, const int32_t* at, int o, const char* weight,
                      typename Sums::Sum (*to)[kBlock]) {
  switch (rows) {
    case 1: return tile<Sums, 1>(p, at, o, weight, to);
    case 2: return tile<Sums, 2>(p, at, o, weight, to);
    case 3: return tile<Sums, 3>(p, at, o, weight, to);
    default: return tile<Sums, 4>(p, at, o, weight, to);
  }
}

template <class Sums>
inline void product(const Product& p) {
  using Sum = typename Sums::Sum;
  static_assert(kTile == 4 && kBlock % (kCols * Sums::lanes) == 0);
  alignas(64) Sum sums[kTile][kBlock];
  FinishTile result;
  result.finish = &p.finish;
  result.scale = p.scale;
  const int channels = channels_of(p.finish.to);
  const bool rows = p.finish.to == Encoding::f32;
  result.stride = rows ? static_cast<int64_t>(p.positions) * kBlock * 4 : kGroupBytes;
  FinishKernel finish;
  if constexpr (Sums::integers) {
    finish = finishes.of_sums(p.finish, p.scale);
  } else {
    finish = finishes.of_floats(p.finish);
  }
  const int64_t tile_bytes = static_cast<int64_t>(p.taps) * p.groups * kTile * Sums::weight_bytes;
  for (int at = 0; at < p.positions; ++at) {
    const char* weight = static_cast<const char*>(p.weight);
    for (int o = 0; o < p.out; o += kTile, weight += tile_bytes) {
      const int left = p.out - o < kTile ? p.out - o : kTile;
      some_rows<Sums>(p, left, p.at + static_cast<int64_t>(at) * p.taps, o, weight, sums);
      for (int r = 0; r < kTile; ++r) result.rows[r] = r < left ? sums[r] : nullptr;
      result.channel = o;
      const int64_t first = rows ? static_cast<int64_t>(o) * p.positions + at
                                 : static_cast<int64_t>(at) * ((p.out + channels - 1) / channels) + o / channels;
      result.y = static_cast<char*>(p.y) + first * kGroupBytes;
      finish(result);
    }
  }
}

}  // namespace
}  // namespace chop::CHOP_ISA
