// Linear layers and convolutions whose weights are values of a number format: sums of values, not of codes.
#pragma once

#include "chop/evaluator/layer.h"

namespace chop::evaluator {

// The sums are made in float32 where it holds each partial one exactly, else in float64. The bound is in units of the
// finest grid, infinite where there is none.
Layer make_value_layer(const ir::Node& node, const Window& window, const NodeFormat& format);

}  // namespace chop::evaluator
