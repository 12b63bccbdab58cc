// Grids, and what is done to single numbers.
#pragma once

namespace chop {

inline constexpr int kBlock = 64;  // rows of data in a block

// A grid: multiples of `step` between the codes qmin and qmax. inverse_step * step == 1, both powers of two.
struct GridF32 {
  float inverse_step, step, qmin, qmax;
  bool operator==(const GridF32&) const = default;
};
struct GridF64 {
  double inverse_step, step, qmin, qmax;
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
