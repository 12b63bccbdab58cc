// How single numbers get onto the values of a format, and what a format must know of a block first.
#pragma once

#include <cstdint>

namespace chop {

// Everything is computed in double, so that results are the same for every instruction set and exact for float32; in
// float where that gives the same.
//
//   significant:  |x| to a multiple of max(2^floor(log2 |x|), lowest) / 2^(bits - 1), ties to even, at most `largest`;
//                 keeps the sign of zero. `magic` is 1.5 * 2^(53 - bits).
//   power_of_two: sign(x) * 2^k, k the logarithm rounded, between `lowest` and `largest`; zeros give +lowest
//   steps:        round(x * inverse) between `low` and `high`, times `step`: step * inverse == 1, powers of two
//   scaled:       the same with x / step
//   two_values:   x >= threshold ? high : low, NaN included
//   three_values: |x| > threshold ? sign(x) * high : 0
enum class RuleKind : int { significant, power_of_two, steps, scaled, two_values, three_values };

struct NumberRule {
  RuleKind kind = RuleKind::steps;
  double lowest = 0.0, largest = 0.0;
  double magic = 0.0;
  double inverse = 1.0, step = 1.0, low = 0.0, high = 0.0;
  double threshold = 0.0;
  int bits = 0;         // significant ones
  bool narrow = false;  // whether arithmetic of float gives the same values of float numbers
};

// What can be asked of a block, and what was found. NaN counts for nothing; of nothing but NaN, all is 0.
// kExponent: of the largest no more than its exponent and whether it is a power of two.
enum BlockNeed : unsigned { kNothing = 0, kLargest = 1, kEnds = 2, kMean = 4, kExponent = 8 | kLargest };
struct BlockFacts {
  double largest = 0.0;          // |x|
  double low = 0.0, high = 0.0;  // of x and 0
  double sum = 0.0;              // |x|, in 8 lanes
  int64_t count = 0;             // numbers, NaN included
};

template <class T>
struct NumberKernels {
  // y may be x.
  void (*apply)(const T* x, T* y, int64_t n, const NumberRule& rule);
  // Adds what is needed to the facts.
  void (*look)(const T* x, int64_t n, unsigned needs, BlockFacts* facts);
  // Adds sum and count of those |x| that are above the threshold.
  void (*above)(const T* x, int64_t n, double threshold, double* sum, int64_t* count);
};

// Many blocks of floats at once. The rules of one call are of one kind; narrow: of all of them.
inline constexpr int kNumberLanes = 64;
struct NumberBlockKernels {
  // most[b] = the largest |x| of each of the blocks, which lie one behind the other; NaN counts for nothing.
  void (*largest_of)(const float* x, int64_t count, int64_t size, float* most);
  void (*apply_each)(const float* x, float* y, int64_t count, int64_t size, const NumberRule* const* rules,
                     bool narrow);
  // A block a lane, up to kNumberLanes of them; its numbers are `stride` apart. Larger and smaller ones than those
  // given are taken; low and high may be null.
  void (*look_across)(const float* x, int64_t rows, int64_t stride, int lanes, float* most, float* low, float* high);
  void (*apply_across)(const float* x, float* y, int64_t rows, int64_t stride, int lanes,
                       const NumberRule* const* rules, bool narrow);
  // The same by the rule `scaled` with codes -part..part and a step of most / part in each lane (1 where that is 0).
  void (*scale_across)(const float* x, float* y, int64_t rows, int64_t stride, int lanes, const float* most,
                       double part);
};

}  // namespace chop
