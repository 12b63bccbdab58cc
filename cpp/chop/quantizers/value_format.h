// What a number format without a fixed-point grid of its own must offer: how it brings the numbers of a block to its
// values. A new format is one file that adds one of these to value_formats().
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "chop/core/registry.h"
#include "chop/kernels/number_rule.h"
#include "chop/quantizers/blocks.h"

namespace chop::quantizers {

// The type that holds the values.
struct RealType {
  int top;     // exponent of its largest binade
  int digits;  // of its significand
};
inline constexpr RealType kFloat32{127, 24}, kFloat64{1023, 53};

// All values are multiples of 2^step with magnitudes up to `largest`.
struct ValueGrid {
  int step;
  double largest;
};

// `numbers` describe one format, in an order of its own; Python hands them over.
struct ValueFormat {
  int count;             // of the numbers
  unsigned needs;        // of a block, see BlockNeed; kNothing: every number for itself
  bool mean_of_largest;  // whether it needs the mean of those above rule().threshold too, to be found in `high`
  NumberRule (*rule)(const double* numbers, const BlockFacts& facts, const RealType& type);
  std::optional<ValueGrid> (*grid)(const double* numbers) = nullptr;  // null: values lie on no grid that is known
  // The number Q whose rule is `scaled` with a step of largest / Q (1 for a block of zeros) and codes -Q..Q; 0: the
  // rule is another one. null: it always is.
  double (*part_of_largest)(const double* numbers) = nullptr;
};

Registry<ValueFormat>& value_formats();

// Operators name a format by a number: FNV-1a, 32 bits, of its name.
uint32_t number_of(const std::string& name);
const ValueFormat& value_format(int64_t number);

// A format with its numbers and its blocks: all that is to be known to quantize a tensor.
struct BoundFormat {
  std::string name;
  const ValueFormat* format = nullptr;
  std::vector<double> numbers;
  std::vector<int64_t> block_size;
  FirstDim first = FirstDim::keep;

  // Without a block size every number is for itself: what a block would tell is given.
  bool by_block() const { return format->needs != kNothing && !block_size.empty(); }
  std::optional<ValueGrid> grid() const {
    return format->grid ? format->grid(numbers.data()) : std::optional<ValueGrid>();
  }
};

// Throws unless there are as many numbers as the format has.
void check_numbers(const ValueFormat& format, size_t count);

// y[i] = the value for x[i], of the blocks first..last-1 of a layout. y may be x.
template <class T>
void quantize_blocks(const ValueFormat& format, const double* numbers, const RealType& type, const BlockLayout& layout,
                     int64_t first, int64_t last, const T* x, T* y);
// The same for n numbers of a format that needs no blocks.
template <class T>
void quantize_numbers(const ValueFormat& format, const double* numbers, const RealType& type, int64_t n, const T* x,
                      T* y);
// All of a tensor of this shape.
template <class T>
void quantize_tensor(const BoundFormat& bound, const std::vector<int64_t>& shape, const T* x, T* y);

}  // namespace chop::quantizers
