// Products of 8-bit codes by a unit that multiplies matrices of 16 x 64 bytes. Included by *.simd.cpp only.
//
// A matrix of weights is 16 outputs by 16 groups, one of samples 16 groups by 16 samples of four codes: just as blocks
// keep them, so that nothing is packed on the way. Four matrices of sums share two of weights and two of samples.
//
// Unit: eight matrices by number. zero<m>(), load<m>(bytes, distance of rows), add<sum, weights, samples>() with signed
// weights and unsigned samples and sums that wrap, store<m>(bytes, distance).
#pragma once

#include "chop/kernels/product.inl"

namespace chop::CHOP_ISA {
namespace {

using MatrixSums = IntegerSums<Codes8, 4>;

inline constexpr int kMatrixBytes = kMatrix * kMatrix * 4;

// The samples of one tap's last groups, with zeros for the groups that a whole matrix would have.
struct LastGroups {
  alignas(64) char bytes[kMatrix][2 * kMatrix * 4] = {};

  const char* copy(const char* x, int64_t step, int groups, int columns) {
    for (int g = 0; g < groups; ++g)
      __builtin_memcpy(bytes[g], x + g * step, static_cast<size_t>(columns) * kMatrix * 4);
    return bytes[0];
  }
};

// The sums of Rows x 16 outputs at one position and Cols x 16 samples from `s` on; to: [Rows * 16][kBlock].
template <class Unit, int Rows, int Cols>
inline void sums_of_matrices(const Product& p, const int32_t* at, const char* weight, int s, LastGroups* last,
                             uint32_t* to) {
  const int whole = p.groups / kMatrix, rest = p.groups % kMatrix;
  const int64_t across = static_cast<int64_t>(p.taps) * (whole + (rest > 0)) * kMatrixBytes;
  const auto add = [&](const char* x, int64_t step) {
    Unit::template load<6>(x, step);
    if constexpr (Cols == 2) Unit::template load<7>(x + kMatrix * 4, step);
    Unit::template load<4>(weight, kMatrix * 4);
    Unit::template add<0, 4, 6>();
    if constexpr (Cols == 2) Unit::template add<1, 4, 7>();
    if constexpr (Rows == 2) {
      Unit::template load<5>(weight + across, kMatrix * 4);
      Unit::template add<2, 5, 6>();
      if constexpr (Cols == 2) Unit::template add<3, 5, 7>();
    }
    weight += kMatrixBytes;
  };
  Unit::template zero<0>();
  if constexpr (Cols == 2) Unit::template zero<1>();
  if constexpr (Rows == 2) Unit::template zero<2>();
  if constexpr (Rows == 2 && Cols == 2) Unit::template zero<3>();
  for (int t = 0; t < p.taps; ++t) {
    const bool padded = at[t] == kPadded;
    const char* x = (padded ? static_cast<const char*>(p.padding)
                            : static_cast<const char*>(p.x) + static_cast<int64_t>(at[t]) * kGroupBytes) +
                    s * 4;
    const int64_t step = static_cast<int64_t>(padded ? 1 : p.stride) * kGroupBytes;
    for (int m = 0; m < whole; ++m, x += kMatrix * step) add(x, step);
    if (rest > 0) add(last->copy(x, step, rest, Cols), sizeof last->bytes[0]);
  }
  constexpr int64_t line = kBlock * 4;
  Unit::template store<0>(to + s, line);
  if constexpr (Cols == 2) Unit::template store<1>(to + s + kMatrix, line);
  if constexpr (Rows == 2) Unit::template store<2>(to + kMatrix * kBlock + s, line);
  if constexpr (Rows == 2 && Cols == 2) Unit::template store<3>(to + kMatrix * kBlock + s + kMatrix, line);
}

template <class Unit, int Rows>
inline void sums_of_block(const Product& p, const int32_t* at, const char* weight, LastGroups* last, uint32_t* to) {
  int s = 0;
  for (; s + kMatrix < p.lanes; s += 2 * kMatrix) sums_of_matrices<Unit, Rows, 2>(p, at, weight, s, last, to);
  if (s < p.lanes) sums_of_matrices<Unit, Rows, 1>(p, at, weight, s, last, to);
}

// `rows` outputs' sums from `o` on, with bias, shift and scale: numbers or codes-to-be, `distance` bytes apart.
inline void keep_sums(const Product& p, int o, int rows, const uint32_t* sums, char* to, int64_t distance) {
  for (int r = 0; r < rows; ++r)
    for (int s = 0; s < p.lanes; s += kLanes)
      MatrixSums::keep(p, o + r, read<Words>(sums + r * kBlock + s) + MatrixSums::start(p, o + r),
                       to + r * distance + s * 4);
}

template <class Unit>
inline void product_of_matrices(const Product& p) {
  static_assert(kBlock % (2 * kMatrix) == 0 && kMatrix % kTile == 0);
  alignas(64) uint32_t sums[2 * kMatrix * kBlock];
  LastGroups last;
  const bool floats = p.finish.to == Encoding::f32;
  const int64_t distance = p.across * kGroupBytes;
  const int channels = channels_of(p.finish.to);
  const int64_t matrix_row = WeightOrder{kMatrix, p.taps, p.groups, 4, true}.count();
  CodesTile<MatrixSums> made(p);
  Unit::begin();
  for (int position = 0; position < p.positions; ++position) {
    const int32_t* at = p.at + static_cast<int64_t>(position) * p.taps;
    const char* weight = static_cast<const char*>(p.weight);
    char* y = static_cast<char*>(p.y) + position * p.along * kGroupBytes;
    for (int o = 0; o < p.out; o += 2 * kMatrix, weight += 2 * matrix_row) {
      if (p.out - o > kMatrix)
        sums_of_block<Unit, 2>(p, at, weight, &last, sums);
      else
        sums_of_block<Unit, 1>(p, at, weight, &last, sums);
      const int end = p.out - o < 2 * kMatrix ? p.out - o : 2 * kMatrix;
      for (int i = 0; i < end; i += kTile) {
        const int rows = end - i < kTile ? end - i : kTile;
        if (floats) {
          keep_sums(p, o + i, rows, sums + i * kBlock, y + (o + i) * distance, distance);
          finish_floats<MatrixSums>(p, o + i, rows, y + (o + i) * distance, distance);
        } else {
          keep_sums(p, o + i, rows, sums + i * kBlock, made.sums(), kGroupBytes);
          made.finish(o + i, rows, y + (o + i) / channels * distance);
        }
      }
    }
  }
  Unit::end();
}

}  // namespace
}  // namespace chop::CHOP_ISA
