// Brings a block of floats to the values of a number format.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "chop/evaluator/step.h"
#include "chop/ir/graph.h"
#include "chop/quantizers/block_rules.h"

namespace chop::evaluator {

// The block holds values of this shape, its first dimension the batch. Throws if a block of the format may hold numbers
// of two rows of data.
class ValueStep : public Step {
 public:
  ValueStep(quantizers::BoundFormat format, const ir::Shape& shape, const std::string& node);
  void run(const void* const* in, void* out) const override;
  bool costly() const override { return true; }

 private:
  quantizers::BoundFormat format_;
  struct Run {
    int first, count;  // rows of the block
  };
  bool across(const float* x, float* y) const;
  void turned(const float* x, float* y) const;

  quantizers::BlockLayout layout_;  // of one block of data
  int rows_;
  std::vector<std::vector<Run>> runs_;           // of each block of the format, in each row of data
  std::optional<quantizers::BlockRules> rules_;  // of formats whose blocks may lie in lanes
};

}  // namespace chop::evaluator
