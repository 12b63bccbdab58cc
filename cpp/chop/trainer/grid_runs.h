// Numbers on grids, forward and backward: neighbours with one format together.
#pragma once

#include <cstdint>
#include <vector>

#include "chop/core/element_format.h"
#include "chop/trainer/real.h"

namespace chop::trainer {

// Numbers, or rows of numbers, that have one format.
struct GridRun {
  int64_t first = 0, count = 0;
  FixedPoint format;  // of width 0: the constant 0
  GridF32 narrow{};   // the format's grid, unless its width is 0
  GridF64 wide{};
};

// formats[i] belongs to number i.
std::vector<GridRun> grid_runs(const ElementFormats& formats);

// The values on the run's grid.
template <class T>
void on_grid(const GridRun& run, const T* x, T* y, int64_t n);

// dx = g where the gradient passes: not to constants, and if it is clipped, not where the rounded code of x leaves the
// range. dx may be g.
template <class T>
void pass_gradient(const GridRun& run, bool clipped, const T* x, const T* g, T* dx, int64_t n);

}  // namespace chop::trainer
