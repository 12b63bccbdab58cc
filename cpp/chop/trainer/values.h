// Operands that are brought to the values of a number format, whose gradients pass as they are.
#pragma once

#include <memory>
#include <vector>

#include "chop/kernels/training.h"
#include "chop/quantizers/value_format.h"

namespace chop::trainer {

// A format for a tensor of this shape; of data, the first dimension are the rows, and is not looked at.
struct ValueOperand {
  std::shared_ptr<const quantizers::BoundFormat> format;  // null: none
  std::vector<int64_t> shape;

  explicit operator bool() const { return format != nullptr; }
  bool operator==(const ValueOperand& other) const;
};

// Whether a block of the format may hold numbers of two rows of data.
bool mixes_rows(const ValueOperand& operand);

template <class T>
void to_values(const ValueOperand& operand, const T* x, T* y);
// A block of data, a feature a row of memory.
template <class T>
void rows_to_values(const ValueOperand& operand, const TrainBlock& size, const T* x, T* y);

}  // namespace chop::trainer
