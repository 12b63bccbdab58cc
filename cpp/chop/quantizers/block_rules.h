// The rules of many blocks of a format at once.
#pragma once

#include <vector>

#include "chop/quantizers/value_format.h"

namespace chop::quantizers {

// The rule for float32 numbers of a block.
NumberRule float_rule_of(const ValueFormat& format, const double* numbers, const BlockFacts& facts,
                         const RealType& type);

// part_of_largest of a format; 0 where it has none.
double part_of(const ValueFormat& format, const double* numbers);

// Whether the kernels compute the rule: next to the ends of double numbers go one by one.
bool is_far(const NumberRule& rule);

// What was found in up to kNumberLanes blocks, and their rules.
struct ManyBlocks {
  float most[kNumberLanes], low[kNumberLanes], high[kNumberLanes];
  const NumberRule* rules[kNumberLanes];
  NumberRule made[kNumberLanes];
  bool narrow = true;  // all of the rules

  void clear(int count);
};

// Finds rules of a format that needs no more of a block than its ends. Of formats that need an exponent they are made
// once, for each exponent.
class BlockRules {
 public:
  static bool can(const ValueFormat& format) { return format.needs != kNothing && !(format.needs & kMean); }
  BlockRules(const ValueFormat& format, const double* numbers, const RealType& type);

  // Sets the rules of so many blocks; false: the kernels for many blocks cannot compute them.
  bool find(int count, ManyBlocks* blocks) const;
  bool ends() const { return (format_.needs & kEnds) != 0 && part_ == 0.0; }
  double part() const { return part_; }  // of scale_across; 0: the rules are to be found

 private:
  const ValueFormat& format_;
  const double* numbers_;
  RealType type_;
  double part_ = 0.0;  // of part_of_largest
  std::vector<NumberRule> by_exponent_;
};

// A format as quantize_blocks is given it.
struct BoundNumbers {
  const ValueFormat* format;
  const double* numbers;
  RealType type;
};

// The blocks first..last-1 of a layout, where their numbers lie one behind the other or equally far apart; false: they
// do not, or are too few.
bool quantize_many(const BoundNumbers& format, const BlockLayout& layout, int64_t first, int64_t last, const float* x,
                   float* y);
// Block by block, whatever the layout.
template <class T>
void quantize_singly(const BoundNumbers& format, const BlockLayout& layout, int64_t first, int64_t last, const T* x,
                     T* y);

}  // namespace chop::quantizers
