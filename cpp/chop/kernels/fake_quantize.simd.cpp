#include "chop/kernels/simd_tables.h"
// clang-format off: after the tables
#include "chop/kernels/rounding.inl"
// clang-format on

namespace chop::CHOP_ISA {
namespace {

template <class T, class Grid>
void run(const T* __restrict x, T* __restrict y, int64_t n, const Grid& grid) {
  const T inverse = grid.inverse_step, step = grid.step, lo = grid.qmin, hi = grid.qmax;
  for (int64_t i = 0; i < n; ++i) y[i] = clamp(round_half_even(x[i] * inverse), lo, hi) * step;
}

void f32(const float* x, float* y, int64_t n, const GridF32& grid) { run(x, y, n, grid); }
void f64(const double* x, double* y, int64_t n, const GridF64& grid) { run(x, y, n, grid); }

}  // namespace

extern const FakeQuantizeKernels fake_quantize;
const FakeQuantizeKernels fake_quantize = {f32, f64};

}  // namespace chop::CHOP_ISA
