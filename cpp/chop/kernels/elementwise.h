// Grids, and what is done to single numbers.
#pragma once

#include "chop/core/fixed_point_modes.h"

namespace chop {

inline constexpr int kBlock = 64;  // rows of data in a block

// A grid: multiples of `step` between the codes qmin and qmax. inverse_step * step == 1, both powers of two; modulus is
// 2^width, used for wrapping only. See grid.h for the grid of a format.
//
// A code is x * inverse_step, rounded and brought into range. NaN stays NaN in all modes. Saturation takes infinities
// to the ends; wrapping makes them NaN, as they leave no remainder, and is exact for every finite x: what does not fit
// the type any more (unsigned codes beyond 2^24 in float) is the exact code rounded once. half_even keeps the sign of
// zero, floor keeps that of x = -0.0, half_up never gives -0.0; a code that is in range does not depend on the overflow
// mode.
struct GridF32 {
  float inverse_step, step, qmin, qmax;
  float modulus = 0.0f;
  RoundingMode rounding = RoundingMode::half_even;
  OverflowMode overflow = OverflowMode::saturate;
  bool operator==(const GridF32&) const = default;
};
struct GridF64 {
  double inverse_step, step, qmin, qmax;
  double modulus = 0.0;
  RoundingMode rounding = RoundingMode::half_even;
  OverflowMode overflow = OverflowMode::saturate;
};

// A grid for each number of a row, the fields side by side; the modes are the same for all. A step of 0 makes a number
// the constant 0, whatever it was.
template <class T>
struct GridEach {
  const T *inverse_step, *step, *qmin, *qmax, *modulus;
  RoundingMode rounding = RoundingMode::half_even;
  OverflowMode overflow = OverflowMode::saturate;
};

enum class Rounding : int { none, codes, values };  // codes: integers; values: integers times the step

// y = round(relu(x * alpha + beta)), each part optional, for one row of a block.
struct Elementwise {
  const float* alpha = nullptr;  // one per row; null: no affine part
  const float* beta = nullptr;
  bool fused_affine = true;  // one rounding (fma), or two as torch does where it has no FMA kernels
  bool relu = false;
  Rounding rounding = Rounding::none;
  GridF32 grid{};
};

}  // namespace chop
