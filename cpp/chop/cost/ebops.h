// Effective bits of weights: what of a code has to be multiplied by.
#pragma once

#include "chop/core/fixed_point.h"
#include "chop/ir/graph.h"

namespace chop::cost {

// Sum over the weights of a node of the bits from the highest to the lowest set bit of each code (0b0110100: 4), 0 for
// a zero, the full width for a NaN. Throws if the graph has no values.
double effective_weight_bits(const ir::Node& node, const FixedPoint& format);

}  // namespace chop::cost
