// The loops that all products share: positions, tiles of outputs, vectors of samples, taps, groups. See dot.inl for
// what differs. Included by *.simd.cpp only.
#pragma once

#include "chop/kernels/dot.inl"
#include "chop/kernels/groups.inl"
#include "chop/kernels/simd_tables.h"

namespace chop::CHOP_ISA {
namespace {

// Vectors of samples at a time: with kTile outputs each, their sums and operands fit the registers.
inline constexpr int kCols = kLanes == 16 ? 4 : 2;

using V32 = VectorOf<float>::type;

// A layer's last activation costs nothing on the way out of the registers.
inline bool only_relu(const Elementwise& op) { return op.relu && !op.alpha && op.rounding == Rounding::none; }

// Integer sums: the bias joins at the end where the sum is shifted, else it is the start.
template <class Dot, int WeightBytes>
struct IntegerSums : Dot {
  using V = Words;
  static constexpr int lanes = kLanes;
  static constexpr int weight_bytes = WeightBytes;
  static constexpr bool integers = true;

  static V start(const Product& p, int o) {
    return V{} + (p.shift == 0 && p.bias ? static_cast<uint32_t>(static_cast<const int32_t*>(p.bias)[o]) : 0u);
  }
  static void keep(const Product& p, int o, V sum, char* to) {
    if (p.shift > 0)
      sum = (sum << p.shift) + (p.bias ? static_cast<uint32_t>(static_cast<const int32_t*>(p.bias)[o]) : 0u);
    if (p.finish.to == Encoding::f32) {
      const auto v = __builtin_convertvector((Integers)sum, VectorOf<float>::type) * p.scale;
      store(reinterpret_cast<float*>(to), only_relu(p.finish.op) ? (v < 0.0f ? V32{} : v) : v);
    } else {
      __builtin_memcpy(to, &sum, sizeof sum);
    }
  }
};

template <class T>
struct FloatSums : Numbers<T> {
  using V = typename VectorOf<T>::type;
  static constexpr int lanes = VectorOf<T>::lanes;
  static constexpr int weight_bytes = sizeof(T);
  static constexpr bool integers = false;

  static V start(const Product& p, int o) { return V{} + (p.bias ? static_cast<const T*>(p.bias)[o] : T(0)); }
  static void keep(const Product&, int, V sum, char* to) {
    const auto rounded = __builtin_convertvector(sum, typename VectorOf<T>::floats);
    __builtin_memcpy(to, &rounded, sizeof rounded);
  }
};

// Rows outputs from `o` on, at one position and of Cols vectors of samples from `s` on; `weight` is their tile's. Their
// rows go to `to`, `distance` bytes apart: floats where the result is floats, else sums.
template <class Sums, int Rows, int Cols>
inline void columns(const Product& p, const int32_t* at, int o, const char* weight, char* to, int64_t distance, int s) {
  constexpr int line = kTile * Sums::weight_bytes;  // weights of one group
  typename Sums::V sum[Rows][Cols];
  CHOP_UNROLL for (int r = 0; r < Rows; ++r) {
    CHOP_UNROLL for (int c = 0; c < Cols; ++c) sum[r][c] = Sums::start(p, o + r);
  }
  const char* w = weight;
  for (int t = 0; t < p.taps; ++t) {
    const bool padded = at[t] == kPadded;
    const char* x = padded ? static_cast<const char*>(p.padding)
                           : static_cast<const char*>(p.x) + static_cast<int64_t>(at[t]) * kGroupBytes;
    const int64_t step = static_cast<int64_t>(padded ? 1 : p.stride) * kGroupBytes;
    x += s * 4;
    for (int g = 0; g < p.groups; ++g, x += step, w += line) {
      typename Sums::Input input[Cols];
      CHOP_UNROLL for (int c = 0; c < Cols; ++c) input[c] = Sums::input(x + c * Sums::lanes * 4);
      CHOP_UNROLL for (int r = 0; r < Rows; ++r) {
        const typename Sums::Weight factor = Sums::weight(w + r * Sums::weight_bytes);
        CHOP_UNROLL for (int c = 0; c < Cols; ++c) Sums::add(sum[r][c], input[c], factor);
      }
    }
  }
  CHOP_UNROLL for (int r = 0; r < Rows; ++r) {
    CHOP_UNROLL for (int c = 0; c < Cols; ++c)
        Sums::keep(p, o + r, sum[r][c], to + r * distance + (s + c * Sums::lanes) * 4);
  }
}

// The same of all samples that count.
template <class Sums, int Rows>
inline void tile(const Product& p, const int32_t* at, int o, const char* weight, char* to, int64_t distance) {
  int s = 0;
  for (; s + kCols * Sums::lanes <= p.lanes; s += kCols * Sums::lanes)
    columns<Sums, Rows, kCols>(p, at, o, weight, to, distance, s);
  for (; s < p.lanes; s += Sums::lanes) columns<Sums, Rows, 1>(p, at, o, weight, to, distance, s);
}

template <class Sums>
inline void some_rows(const Product& p, int rows, const int32_t* at, int o, const char* weight, char* to,
                      int64_t distance) {
  switch (rows) {
    case 1: return tile<Sums, 1>(p, at, o, weight, to, distance);
    case 2: return tile<Sums, 2>(p, at, o, weight, to, distance);
    case 3: return tile<Sums, 3>(p, at, o, weight, to, distance);
    default: return tile<Sums, 4>(p, at, o, weight, to, distance);
  }
}

// Where rows of floats are, they are finished by the elementwise kernel, which knows every rounding.
template <class Sums>
inline void finish_floats(const Product& p, int o, int rows, char* y, int64_t distance) {
  const Elementwise& op = p.finish.op;
  if (!op.alpha && op.rounding == Rounding::none && (!op.relu || Sums::integers)) return;
  const int together = p.across == 1 ? rows : 1;  // rows side by side
  for (int r = 0; r < rows; r += together) {
    Elementwise some = op;
    if (op.alpha) some.alpha = op.alpha + o + r, some.beta = op.beta + o + r;
    float* row = reinterpret_cast<float*>(y + r * distance);
    elementwise(some, row, row, together);
  }
}

template <class Sums>
inline void product_to_floats(const Product& p) {
  const int64_t distance = p.across * kGroupBytes;
  const int64_t tile_bytes = static_cast<int64_t>(p.taps) * p.groups * kTile * Sums::weight_bytes;
  for (int position = 0; position < p.positions; ++position) {
    const char* weight = static_cast<const char*>(p.weight);
    for (int o = 0; o < p.out; o += kTile, weight += tile_bytes) {
      const int rows = p.out - o < kTile ? p.out - o : kTile;
      char* y = static_cast<char*>(p.y) + o * distance + position * p.along * kGroupBytes;
      some_rows<Sums>(p, rows, p.at + static_cast<int64_t>(position) * p.taps, o, weight, y, distance);
      finish_floats<Sums>(p, o, rows, y, distance);
    }
  }
}

// One tile's sums on their way into groups of codes.
template <class Sums>
class CodesTile {
 public:
  explicit CodesTile(const Product& p) : p_(p), channels_(channels_of(p.finish.to)) {
    for (int i = 0; i < kTile; ++i) group_.row[i] = sums_[i];
    if (p.lanes < kBlock) __builtin_memset(sums_, 0, sizeof sums_);
    kernel_ = Sums::integers ? finishes.codes_of_sums(p.finish, p.scale, &group_)
                             : finishes.codes_of_floats(p.finish, &group_);
  }

  char* sums() { return reinterpret_cast<char*>(sums_); }

  // The sums are those of `rows` outputs from `o` on; y is the first of their groups.
  void finish(int o, int rows, char* y) {
    for (int i = 0; i < rows; i += channels_, y += p_.across * kGroupBytes) {
      group_.row[0] = sums_[i], group_.row[1] = sums_[i + 1];
      if (p_.finish.op.alpha) group_.alpha = p_.finish.op.alpha + o + i, group_.beta = p_.finish.op.beta + o + i;
      group_.y = y;
      if (i + channels_ <= rows) {
        kernel_(group_);
      } else {
        const bool here[kTile] = {true, i + 1 < rows, i + 2 < rows, false};
        finish_partly(kernel_, group_, p_.finish, here);
      }
    }
  }

 private:
  const Product& p_;
  int channels_;
  CodesKernel kernel_;
  CodesGroup group_;
  alignas(64) uint32_t sums_[kTile][kBlock];
};

template <class Sums>
inline void product(const Product& p) {
  static_assert(kTile == 4 && kBlock % (kCols * Sums::lanes) == 0);
  if (p.finish.to == Encoding::f32) return product_to_floats<Sums>(p);
  const int64_t tile_bytes = static_cast<int64_t>(p.taps) * p.groups * kTile * Sums::weight_bytes;
  const int channels = channels_of(p.finish.to);
  CodesTile<Sums> made(p);
  for (int position = 0; position < p.positions; ++position) {
    const char* weight = static_cast<const char*>(p.weight);
    char* y = static_cast<char*>(p.y) + position * p.along * kGroupBytes;
    for (int o = 0; o < p.out; o += kTile, weight += tile_bytes, y += kTile / channels * p.across * kGroupBytes) {
      const int rows = p.out - o < kTile ? p.out - o : kTile;
      some_rows<Sums>(p, rows, p.at + static_cast<int64_t>(position) * p.taps, o, weight, made.sums(), kGroupBytes);
      made.finish(o, rows, y);
    }
  }
}

}  // namespace
}  // namespace chop::CHOP_ISA
