// The grid of a fixed-point format, in float or double.
#pragma once

#include <vector>

#include "chop/core/element_format.h"
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

// The grids of elements' formats, side by side.
template <class T>
class ElementGrids {
 public:
  explicit ElementGrids(const ElementFormats& formats) {
    for (const FixedPoint& f : formats) {
      const bool none = f.width == 0;
      inverse_step_.push_back(none ? T(1) : static_cast<T>(f.inverse_scale()));
      step_.push_back(none ? T(0) : static_cast<T>(f.scale()));
      qmin_.push_back(none ? T(0) : static_cast<T>(f.qmin()));
      qmax_.push_back(none ? T(0) : static_cast<T>(f.qmax()));
      modulus_.push_back(none ? T(1) : static_cast<T>(f.modulus()));
      rounding_ = f.rounding;
      overflow_ = f.overflow;
    }
  }

  // Those from `first` on.
  GridEach<T> from(int64_t first = 0) const {
    return {inverse_step_.data() + first,
            step_.data() + first,
            qmin_.data() + first,
            qmax_.data() + first,
            modulus_.data() + first,
            rounding_,
            overflow_};
  }

 private:
  std::vector<T> inverse_step_, step_, qmin_, qmax_, modulus_;
  RoundingMode rounding_ = RoundingMode::half_even;
  OverflowMode overflow_ = OverflowMode::saturate;
};

}  // namespace chop
