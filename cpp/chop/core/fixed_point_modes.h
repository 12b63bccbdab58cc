// How a fixed-point format rounds, and what it does with a code beyond its range. Kernels include this, so it includes
// nothing; the names are in fixed_point.h.
#pragma once

namespace chop {

// half_even: to the nearest code, ties to the even one. floor: down, which in hardware drops bits of a two's complement
// number (AP_TRN). half_up: to the nearest code, ties up, which is one adder more (AP_RND).
enum class RoundingMode : int { half_even, floor, half_up };

// saturate: to the nearest end of the range (AP_SAT). wrap: the upper bits are dropped, that is modulo 2^width
// (AP_WRAP).
enum class OverflowMode : int { saturate, wrap };

}  // namespace chop
