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

// Integer sums, as they are: the bias joins at the end where the sum is shifted, else it is the start.
template <class Dot, int WeightBytes>
struct IntegerSums : Dot {
  using V = Words;
  static constexpr int lanes = kLanes;
  static constexpr int weight_bytes = WeightBytes;
  static constexpr bool integers = true;

  static V start(const Product& p, int o) {
    return V{} + (p.shift == 0 && p.bias ? static_cast<uint32_t>(static_cast<const int32_t*>(p.bias)[o]) : 0u);
  }
  static void keep(V sum, char* to) { __builtin_memcpy(to, &sum, sizeof sum); }
};

template <class T>
struct FloatSums : Numbers<T> {
  using V = typename VectorOf<T>::type;
  static constexpr int lanes = VectorOf<T>::lanes;
  static constexpr int weight_bytes = sizeof(T);
  static constexpr bool integers = false;

  static V start(const Product& p, int o) { return V{} + (p.bias ? static_cast<const T*>(p.bias)[o] : T(0)); }
  static void keep(V sum, char* to) {
    const auto rounded = __builtin_convertvector(sum, typename VectorOf<T>::floats);
    __builtin_memcpy(to, &rounded, sizeof rounded);
  }
};

// Rows outputs from `o` on, at one position and of Cols vectors of samples from `s` on; `weight` is their tile's. Their
// rows go to `to`, `distance` bytes apart.
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
                           : static_cast<const char*>(p.x) + static_cast<int64_t>(at[t]) * p.at_bytes;
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
    CHOP_UNROLL for (int c = 0; c < Cols; ++c) Sums::keep(sum[r][c], to + r * distance + (s + c * Sums::lanes) * 4);
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
inline void finish_floats(const Product& p, int o, int rows, char* y, int64_t distance) {
  const Elementwise& op = p.finish.op;
  if (!op.alpha && op.rounding == Rounding::none && !op.relu) return;
  const int together = p.across == 1 ? rows : 1;  // rows side by side
  for (int r = 0; r < rows; r += together) {
    Elementwise some = op;
    if (op.alpha) some.alpha = op.alpha + o + r, some.beta = op.beta + o + r;
    float* row = reinterpret_cast<float*>(y + r * distance);
    elementwise(some, row, row, together);
  }
}

template <class Sums>
inline void floats_to_floats(const Product& p) {
  const int64_t distance = p.across * kGroupBytes;
  const int64_t tile_bytes = static_cast<int64_t>(p.taps) * p.groups * kTile * Sums::weight_bytes;
  for (int position = 0; position < p.positions; ++position) {
    const char* weight = static_cast<const char*>(p.weight);
    for (int o = 0; o < p.out; o += kTile, weight += tile_bytes) {
      const int rows = p.out - o < kTile ? p.out - o : kTile;
      char* y = static_cast<char*>(p.y) + o * distance + position * p.along * kGroupBytes;
      some_rows<Sums>(p, rows, p.at + static_cast<int64_t>(position) * p.taps, o, weight, y, distance);
      finish_floats(p, o, rows, y, distance);
    }
  }
}

// What becomes of rows of sums, kBlock apart. Bias: whether that of integers is still to be added.
template <class Sums>
class Ending {
 public:
  Ending(const Product& p, bool bias)
      : p_(p), bias_(Sums::integers && bias ? static_cast<const int32_t*>(p.bias) : nullptr) {
    const SumForm form{p.scale, p.shift, bias_ != nullptr, p.addend != nullptr};
    if (p.finish.to == Encoding::f32) {
      const GridF32& grid = p.finish.op.grid;
      const bool usual = grid.rounding == RoundingMode::half_even && grid.overflow == OverflowMode::saturate;
      rest_ = usual ? Rounding::none : p.finish.op.rounding;
      floats_ = finishes.floats_of_sums(p.finish.op, form.added, usual ? p.finish.op.rounding : Rounding::none);
    } else if constexpr (Sums::integers) {
      codes_ = finishes.codes_of_sums(p.finish, form, &group_);
    } else {
      codes_ = finishes.codes_of_floats(p.finish, &group_);
    }
  }

  // The sums of `rows` outputs from `o` on, of which a group's begin at multiples of kTile.
  void finish(const uint32_t* sums, int position, int o, int rows) {
    const int channels = channels_of(p_.finish.to);
    char* y = static_cast<char*>(p_.y) + (position * p_.along + o / channels * p_.across) * kGroupBytes;
    const float* addend =
        p_.addend ? p_.addend + (static_cast<int64_t>(o) * p_.addend_across + position) * kBlock : nullptr;
    for (int i = 0; i < rows; i += channels, y += p_.across * kGroupBytes) {
      if (p_.finish.to == Encoding::f32) {
        floats(sums + i * kBlock, o + i, addend, y);
      } else {
        codes(sums + i * kBlock, o + i, rows - i, addend, y);
      }
      if (addend) addend += channels * p_.addend_across * kBlock;
    }
  }

 private:
  void floats(const uint32_t* sums, int o, const float* addend, char* to) {
    Elementwise op = p_.finish.op;
    auto* y = reinterpret_cast<float*>(to);
    FloatsRow row{sums, addend, 1.0f, 0.0f, p_.scale, bias_ ? bias_[o] : 0, p_.shift, y};
    if (op.alpha) row.alpha = op.alpha[o], row.beta = op.beta[o];
    row.grid = op.grid;
    floats_(row);
    if (rest_ == Rounding::none) return;
    op.alpha = nullptr, op.relu = false;
    elementwise(op, y, y, 1);
  }

  void codes(const uint32_t* sums, int o, int rows, const float* addend, char* y) {
    const int channels = channels_of(p_.finish.to);
    for (int k = 0; k < channels; ++k) {
      group_.row[k] = sums + k * kBlock;
      if (addend) group_.addend[k] = addend + k * p_.addend_across * kBlock;
    }
    if (p_.finish.op.alpha) group_.alpha = p_.finish.op.alpha + o, group_.beta = p_.finish.op.beta + o;
    if (bias_) group_.bias = bias_ + o;
    group_.y = y;
    if (channels <= rows) return codes_(group_);
    const bool here[kTile] = {true, 1 < rows, 2 < rows, false};
    finish_partly(codes_, group_, p_.finish, here);
  }

  const Product& p_;
  const int32_t* bias_;
  CodesKernel codes_ = nullptr;
  FloatsKernel floats_ = nullptr;
  Rounding rest_ = Rounding::none;  // that is left to the elementwise kernel
  CodesGroup group_;
};

template <class Sums>
inline void product(const Product& p) {
  static_assert(kTile == 4 && kBlock % (kCols * Sums::lanes) == 0);
  if (!Sums::integers && p.finish.to == Encoding::f32) return floats_to_floats<Sums>(p);
  const int64_t tile_bytes = static_cast<int64_t>(p.taps) * p.groups * kTile * Sums::weight_bytes;
  alignas(64) uint32_t sums[kTile][kBlock];
  if (p.lanes < kBlock) __builtin_memset(sums, 0, sizeof sums);
  Ending<Sums> ending(p, p.shift > 0);
  for (int position = 0; position < p.positions; ++position) {
    const char* weight = static_cast<const char*>(p.weight);
    for (int o = 0; o < p.out; o += kTile, weight += tile_bytes) {
      const int rows = p.out - o < kTile ? p.out - o : kTile;
      some_rows<Sums>(p, rows, p.at + static_cast<int64_t>(position) * p.taps, o, weight, reinterpret_cast<char*>(sums),
                      kGroupBytes);
      ending.finish(sums[0], position, o, rows);
    }
  }
}

}  // namespace
}  // namespace chop::CHOP_ISA
