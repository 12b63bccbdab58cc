// The grid of a fixed-point format, in float or double.
#pragma once

#include "chop/core/fixed_point.h"
#include "chop/kernels/kernels.h"

namespace chop {

template <class Grid>
Grid grid_of(const FixedPoint& f) {
  using T = decltype(Grid::step);
  return {static_cast<T>(f.inverse_scale()),
          static_cast<T>(f.scale()),
          static_cast<T>(f.qmin()),
          static_cast<T>(f.qmax()),
          static_cast<T>(f.modulus()),
          f.rounding,
          f.overflow};
}

// The same with a step of 1: codes instead of values.
inline GridF32 code_grid_of(const FixedPoint& f) {
  GridF32 grid = grid_of<GridF32>(f);
  grid.step = 1.0f;
  return grid;
}

}  // namespace chop
