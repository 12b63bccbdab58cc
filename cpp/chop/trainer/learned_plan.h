// Operands whose widths are trained, in the making of a plan.
#pragma once

#include "chop/trainer/plan.h"

namespace chop::trainer {

// Adds the groups of an operand whose widths are trained; their number, or -1 for another operand.
int add_learned(Plan* plan, const ir::Node& node, const NodeSpec& spec, const char* operand, int64_t size,
                int64_t channel);

// Adds what a linear layer's widths cost, if they are trained.
void add_price(Plan* plan, const ir::Node& node, const NodeSpec& spec, Step* step);

}  // namespace chop::trainer
