// Grids whose widths are trained: of the values that lie in a block's rows, and of parameters.
//
// A group of numbers shares a fraction f and, for values, a number of integer bits i, both real numbers that are
// rounded to the nearest where they are used. Codes are rounded half to even.
#pragma once

#include <cstdint>

namespace chop {

struct TrainBlock;

// Of groups, one number each.
template <class T>
struct LearnedGrids {
  T* scale = nullptr;  // 2^f
  T* step = nullptr;   // 2^-f
  T* low = nullptr;    // codes; low == high: the group has no bits and is zero everywhere
  T* high = nullptr;
  T* bits = nullptr;  // without the sign
  T* top = nullptr;   // 2^i
};

// Rows of features become codes times steps, within the codes' range.
template <class T>
struct LearnedValues {
  const TrainBlock* block = nullptr;
  LearnedGrids<T> grids;
  int features = 0, share = 1;  // features of a group, which lie side by side
  const T* x = nullptr;
  T* y = nullptr;
};

// Of g, the gradient of y: dx where x lies within the range (null: not wanted), and into the sums of each group: what
// f gets, divided by ln 2, and what i gets.
template <class T>
struct LearnedValuesBack {
  LearnedValues<T> forward;
  const T* g = nullptr;
  T* dx = nullptr;
  T* sums = nullptr;  // [groups][2], added to
};

// n parameters to codes times steps, without a range, and their bits from the highest set one down to the grid.
template <class T>
struct LearnedWeights {
  const T* f = nullptr;  // fractions of the groups
  const T* w = nullptr;
  T* q = nullptr;
  T* bits = nullptr;
  int64_t n = 0, share = 1;
};

// What the bits of weights [outs][ins] cost: each weight that has bits pays `row` of its input.
template <class T>
struct LearnedPrice {
  const T* bits = nullptr;  // of the weights
  const T* row = nullptr;   // [ins]
  T* columns = nullptr;     // [ins]: sums of the weights' bits
  T* to = nullptr;          // gradients of the weights' groups, added to; null: not wanted
  int64_t outs = 0, ins = 0, share = 1;
};

template <class T>
struct LearnedKernels {
  // Of n groups with fractions f and integer bits i.
  void (*grids)(const T* f, const T* i, bool is_signed, int64_t n, const LearnedGrids<T>& grids) = nullptr;
  void (*values)(const LearnedValues<T>& p) = nullptr;
  void (*values_back)(const LearnedValuesBack<T>& p) = nullptr;
  bool (*weights)(const LearnedWeights<T>& p) = nullptr;  // whether all are finite
  void (*price)(const LearnedPrice<T>& p) = nullptr;
  // to = ln 2 (w - q) g, of weights that have a group each
  void (*fractions)(const T* w, const T* q, const T* g, T* to, int64_t n) = nullptr;
};

}  // namespace chop
