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

// The rules of blocks by the exponent of their largest |x| and whether it is a power of two, as the kernels read them.
struct ExponentRules {
  static constexpr int kRows = 512;
  enum Form : uint8_t { kUnknown, kNarrow, kWide, kAlone };  // computed in float, in double, not by these kernels
  RuleKind kind = RuleKind::steps;                           // of all rows that are narrow or wide
  Form form[kRows] = {};
  float narrow[kRows][4];
  double wide[kRows][4];

  // Subnormal numbers, of which each has an exponent of its own, share row 1.
  static int row_of(float largest) {
    const auto bits = __builtin_bit_cast(uint32_t, largest);
    return static_cast<int>((bits >> 23) + ((bits + 0x7fffff) >> 23));
  }
  // One of a row's numbers.
  static float largest_of(int row) {
    const uint32_t exponent = static_cast<uint32_t>(row) / 2 << 23, fraction = row % 2 ? 0x400000 : 0;
    return __builtin_bit_cast(float, exponent | fraction);
  }
};

// Many blocks of floats at once, one behind the other in `rows`, a block a lane in `across`.
inline constexpr int kNumberLanes = 64;
struct NumberBlockKernels {
  // Fills the row of the rule's form.
  void (*read_rule)(const NumberRule& rule, int row, ExponentRules* rules);
  // Blocks up to the first one whose row is not of the form; returns how many, and that row.
  int64_t (*rows_by_exponent)(const float* x, float* y, int64_t count, int64_t size, const ExponentRules& rules,
                              ExponentRules::Form form, int* row);
  // By the rule `scaled` with codes -part..part and a step of the largest |x| / part (1 where that is 0).
  void (*scale_rows)(const float* x, float* y, int64_t count, int64_t size, double part);
  // Up to kNumberLanes blocks; the numbers of one are `stride` apart. Larger and smaller ones than those given are
  // taken, NaN counts for nothing; low and high may be null.
  void (*look_across)(const float* x, int64_t rows, int64_t stride, int lanes, float* most, float* low, float* high);
  // The rules are of one kind; narrow: of all of them.
  void (*apply_across)(const float* x, float* y, int64_t rows, int64_t stride, int lanes,
                       const NumberRule* const* rules, bool narrow);
  void (*scale_across)(const float* x, float* y, int64_t rows, int64_t stride, int lanes, const float* most,
                       double part);
};

}  // namespace chop
