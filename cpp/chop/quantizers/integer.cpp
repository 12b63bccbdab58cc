// The integer (fixed-point) quantizer: round and bring into the range of the format, in the format's modes.
#include "chop/kernels/grid.h"
#include "chop/quantizers/quantizer.h"

namespace chop::quantizers {
namespace {

GridF32 grid(const FixedPoint& format) { return grid_of<GridF32>(format); }

void codes(const float* x, float* y, int64_t n, const FixedPoint& format) {
  kernels().fake_quantize_f32(x, y, n, code_grid_of(format));
}

double number(double x, const FixedPoint& format) {
  kernels().fake_quantize_f64(&x, &x, 1, grid_of<GridF64>(format));
  return x;
}

void values_each(const float* x, float* y, int64_t n, const GridEach<float>& grids) {
  kernels().fake_quantize_each_f32(x, y, n, grids);
}

[[maybe_unused]] const bool registered = registry().add("integer", {grid, codes, number, values_each});

}  // namespace

Registry<Quantizer>& registry() {
  // Not destroyed: a daemon thread may read it while the process ends.
  static auto& instance = *new Registry<Quantizer>("quantizer");
  return instance;
}

}  // namespace chop::quantizers
