// Effective bits of weights: what of a code has to be multiplied by.
#pragma once

#include <cstdint>

#include "chop/core/fixed_point.h"

namespace chop::cost {

// Sum over the weights of the bits from the highest to the lowest set bit of each code (0b0110100: 4), 0 for a zero, the
// full width for a NaN.
double effective_weight_bits(const float* weights, int64_t count, const FixedPoint& format);

}  // namespace chop::cost
