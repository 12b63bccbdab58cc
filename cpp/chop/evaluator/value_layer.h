// Linear layers and convolutions whose weights are values of a number format: sums of values, not of codes.
#pragma once

#include "chop/evaluator/layer.h"

namespace chop::evaluator {

// Where data, weights and bias lie on grids, and integers of 8 or 16 bits hold the codes, codes are summed: powers of
// two, or two and three values, are integers on the grid of the smallest one. Else the sums are made in float32 where
// it holds each partial one exactly, else in float64. The bound is in units of the finest grid, infinite where there is
// none. finite, nonnegative: what is known of the input.
Layer make_value_layer(const ir::Node& node, const Window& window, const NodeFormat& format, bool finite,
                       bool nonnegative);

}  // namespace chop::evaluator
