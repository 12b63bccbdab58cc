// Brings a block of floats to the values of a number format.
#pragma once

#include <memory>
#include <vector>

#include "chop/evaluator/step.h"
#include "chop/ir/graph.h"
#include "chop/quantizers/value_format.h"

namespace chop::evaluator {

// The block holds values of this shape, its first dimension the batch. Throws if a block of the format may hold numbers
// of two rows of data.
class ValueStep : public Step {
 public:
  ValueStep(quantizers::BoundFormat format, const ir::Shape& shape, const std::string& node);
  void run(const void* const* in, void* out) const override;

 private:
  quantizers::BoundFormat format_;
  quantizers::BlockLayout layout_;  // of one block of data
  int rows_;
};

}  // namespace chop::evaluator
