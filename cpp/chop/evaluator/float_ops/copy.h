// The step that copies rows of its inputs.
#pragma once

#include <cstdint>
#include <vector>

#include "chop/evaluator/float_ops/layout.h"
#include "chop/evaluator/step.h"

namespace chop::evaluator {

// Neighbouring rows of one input that stay neighbours.
struct Run {
  int input;  // kFill: rows of a constant
  int64_t first, count;
};
inline constexpr int kFill = -1;

void append(std::vector<Run>& runs, int input, int64_t row, int64_t count);

// The runs in turn make the block of `node`.
StepPtr copy(const ir::Node& node, std::vector<Run> runs, float fill = 0.0f);

// Of one input: the rows where the layout's elements lie, in row-major order.
StepPtr copy(const ir::Node& node, const Layout& from);

// Where the elements of an input of `node` lie.
Layout layout_of(const ir::Node& node, const ir::Node& input);

}  // namespace chop::evaluator
