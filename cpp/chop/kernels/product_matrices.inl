// Products of 8-bit codes by a unit that multiplies matrices of 16 x 64 bytes. Included by *.simd.cpp only.
//
// A matrix of weights is 16 outputs by 16 groups, one of samples 16 groups by 16 samples of four codes: just as blocks
// keep them, so that nothing is packed on the way.
//
// Unit: eight matrices by number. zero<m>(), load<m>(bytes, distance of rows), add<sum, weights, samples>() with signed
// weights and unsigned samples and sums that wrap, store<m>(bytes, distance). Sums are 0 to 3; weights 4, and 5 for
// sums from 2 on where samples are 6 and 7; or 4 for all where samples are 5 to 7.
#pragma once

#include "chop/kernels/product.inl"

namespace chop::CHOP_ISA {
namespace {

using MatrixSums = IntegerSums<Codes8, 4>;

inline constexpr int kMatrixBytes = kMatrix * kMatrix * 4;

// The samples of one tap's last groups, where no more may be read. The weights of what else is here are 0.
struct LastGroups {
  alignas(64) char bytes[kMatrix][kGroupBytes];

  const char* copy(const char* x, int64_t step, int groups, int columns) {
    for (int g = 0; g < groups; ++g)
      __builtin_memcpy(bytes[g], x + g * step, static_cast<size_t>(columns) * kMatrix * 4);
    return bytes[0];
  }
};

// Sums of 32 outputs and 32 samples: two matrices of each.
template <class Unit, bool second_column>
struct Square {
  static constexpr int outputs = 2 * kMatrix, columns = second_column ? 2 : 1;
  static void start() {
    Unit::template zero<0>();
    Unit::template zero<2>();
    if constexpr (second_column) Unit::template zero<1>(), Unit::template zero<3>();
  }
  // across: from a matrix of weights to that of the next outputs.
  static void add(const char* x, int64_t step, const char* weight, int64_t across) {
    Unit::template load<6>(x, step);
    Unit::template load<4>(weight, kMatrix * 4);
    Unit::template add<0, 4, 6>();
    Unit::template load<5>(weight + across, kMatrix * 4);
    Unit::template add<2, 5, 6>();
    if constexpr (second_column) {
      Unit::template load<7>(x + kMatrix * 4, step);
      Unit::template add<1, 4, 7>();
      Unit::template add<3, 5, 7>();
    }
  }
  static void store(uint32_t* to) {
    constexpr int64_t line = kBlock * 4;
    Unit::template store<0>(to, line);
    Unit::template store<2>(to + kMatrix * kBlock, line);
    if constexpr (second_column) {
      Unit::template store<1>(to + kMatrix, line);
      Unit::template store<3>(to + kMatrix * kBlock + kMatrix, line);
    }
  }
};

// Sums of 16 outputs and 16 or 64 samples.
template <class Unit, bool more_columns>
struct Line {
  static constexpr int outputs = kMatrix, columns = more_columns ? 4 : 1;
  static void start() {
    Unit::template zero<0>();
    if constexpr (more_columns) Unit::template zero<1>(), Unit::template zero<2>(), Unit::template zero<3>();
  }
  static void add(const char* x, int64_t step, const char* weight, int64_t) {
    Unit::template load<4>(weight, kMatrix * 4);
    Unit::template load<5>(x, step);
    Unit::template add<0, 4, 5>();
    if constexpr (more_columns) {
      Unit::template load<6>(x + kMatrix * 4, step);
      Unit::template add<1, 4, 6>();
      Unit::template load<7>(x + 2 * kMatrix * 4, step);
      Unit::template add<2, 4, 7>();
      Unit::template load<5>(x + 3 * kMatrix * 4, step);
      Unit::template add<3, 4, 5>();
    }
  }
  static void store(uint32_t* to) {
    constexpr int64_t line = kBlock * 4;
    Unit::template store<0>(to, line);
    if constexpr (more_columns) {
      Unit::template store<1>(to + kMatrix, line);
      Unit::template store<2>(to + 2 * kMatrix, line);
      Unit::template store<3>(to + 3 * kMatrix, line);
    }
  }
};

// Sums of a block of outputs at one position that wait to be finished. That is done in small parts between the
// instructions of the unit, which take long and need nobody to wait for them.
class Waiting {
 public:
  explicit Waiting(const Product& p) : ending_(p, true) {}

  void take(const uint32_t* sums, int position, int o, int end) {
    sums_ = sums, position_ = position, o_ = o, end_ = end;
  }
  void finish(int groups) {
    for (; groups > 0 && o_ < end_; --groups, o_ += kTile, sums_ += kTile * kBlock)
      ending_.finish(sums_, position_, o_, end_ - o_ < kTile ? end_ - o_ : kTile);
  }
  int groups() const { return (end_ - o_ + kTile - 1) / kTile; }

 private:
  Ending<MatrixSums> ending_;
  const uint32_t* sums_ = nullptr;
  int position_ = 0, o_ = 0, end_ = 0;
};

// What the sums of one block of outputs at one position are made of.
struct Block {
  const int32_t* at;
  const char* weight;
  uint32_t* to;     // [outputs][kBlock]
  int groups_each;  // that are finished with each matrix of samples
};

// Of samples from `s` on.
template <class Sums>
inline void sums_of_matrices(const Product& p, const Block& b, int s, LastGroups* last, Waiting* waiting) {
  const int all = (p.groups + kMatrix - 1) / kMatrix, whole = p.roomy ? all : p.groups / kMatrix;
  const int64_t across = static_cast<int64_t>(p.taps) * all * kMatrixBytes;
  const char* weight = b.weight;
  Sums::start();
  for (int t = 0; t < p.taps; ++t) {
    const bool padded = b.at[t] == kPadded;
    const char* x = (padded ? static_cast<const char*>(p.padding)
                            : static_cast<const char*>(p.x) + static_cast<int64_t>(b.at[t]) * p.at_bytes) +
                    s * 4;
    const int64_t step = static_cast<int64_t>(padded ? 1 : p.stride) * kGroupBytes;
    for (int m = 0; m < whole; ++m, x += kMatrix * step, weight += kMatrixBytes) {
      Sums::add(x, step, weight, across);
      waiting->finish(b.groups_each);
    }
    if (whole == all) continue;
    Sums::add(last->copy(x, step, p.groups % kMatrix, Sums::columns), sizeof last->bytes[0], weight, across);
    waiting->finish(b.groups_each);
    weight += kMatrixBytes;
  }
  Sums::store(b.to + s);
}

template <class Unit>
inline void sums_of_block(const Product& p, const Block& b, bool square, LastGroups* last, Waiting* waiting) {
  if (square) {
    int s = 0;
    for (; s + kMatrix < p.lanes; s += 2 * kMatrix) sums_of_matrices<Square<Unit, true>>(p, b, s, last, waiting);
    if (s < p.lanes) sums_of_matrices<Square<Unit, false>>(p, b, s, last, waiting);
  } else if (p.lanes > 2 * kMatrix) {
    sums_of_matrices<Line<Unit, true>>(p, b, 0, last, waiting);
  } else {
    for (int s = 0; s < p.lanes; s += kMatrix) sums_of_matrices<Line<Unit, false>>(p, b, s, last, waiting);
  }
}

template <class Unit>
inline void product_of_matrices(const Product& p) {
  static_assert(kBlock == 4 * kMatrix && kMatrix % kTile == 0);
  constexpr int outputs = 2 * kMatrix;
  alignas(64) uint32_t sums[2][outputs * kBlock];
  LastGroups last;
  if (p.lanes < kBlock) __builtin_memset(sums, 0, sizeof sums);
  const int64_t matrix_rows = WeightOrder{outputs, p.taps, p.groups, 4, true}.count();
  const int matrices = p.taps * ((p.groups + kMatrix - 1) / kMatrix);
  Waiting waiting(p);
  Unit::begin();
  int which = 0;
  // The weights of a block of outputs stay near for all positions.
  for (int o = 0; o < p.out; o += outputs)
    for (int position = 0; position < p.positions; ++position, which = 1 - which) {
      const bool square = p.out - o > kMatrix;
      const int times = square ? (p.lanes + 2 * kMatrix - 1) / (2 * kMatrix) : 1, adds = matrices * times;
      const Block block{p.at + static_cast<int64_t>(position) * p.taps,
                        static_cast<const char*>(p.weight) + o / outputs * matrix_rows, sums[which],
                        (waiting.groups() + adds - 1) / adds};
      sums_of_block<Unit>(p, block, square, &last, &waiting);
      waiting.finish(waiting.groups());
      waiting.take(sums[which], position, o, p.out - o < outputs ? p.out : o + outputs);
    }
  Unit::end();
  waiting.finish(waiting.groups());
}

}  // namespace
}  // namespace chop::CHOP_ISA
