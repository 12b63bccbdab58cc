#include "chop/kernels/simd_tables.h"
// clang-format off: after the tables
#include "chop/kernels/rounding.inl"
// clang-format on

namespace chop::CHOP_ISA {
namespace {

template <class Modes, class T, class Grid>
void run(const T* __restrict x, T* __restrict y, int64_t n, const Grid& grid) {
  const T inverse = grid.inverse_step, step = grid.step;
  const CodeRange<T> range = code_range<T>(grid);
  for (int64_t i = 0; i < n; ++i) {
    const T v = x[i] * inverse;
    y[i] = into_range<Modes::overflow>(round_code<Modes::rounding>(x[i], v), x[i], v, range) * step;
  }
}

template <class T, class Grid>
void by_modes(const T* x, T* y, int64_t n, const Grid& grid) {
  with_modes(grid, [&](auto modes) { run<decltype(modes)>(x, y, n, grid); });
}

void f32(const float* x, float* y, int64_t n, const GridF32& grid) { by_modes(x, y, n, grid); }
void f64(const double* x, double* y, int64_t n, const GridF64& grid) { by_modes(x, y, n, grid); }

template <class Modes, class T>
void run_each(const T* __restrict x, T* __restrict y, int64_t n, const GridEach<T>& grids) {
  const T *inverse = grids.inverse_step, *step = grids.step, *low = grids.qmin, *high = grids.qmax;
  const T* modulus = grids.modulus;
  for (int64_t i = 0; i < n; ++i) {
    const T v = x[i] * inverse[i];
    const CodeRange<T> range{low[i], high[i], modulus[i], T(1) / modulus[i], low[i] < T(0) ? T(0.5) : T(2)};
    const T code = into_range<Modes::overflow>(round_code<Modes::rounding>(x[i], v), x[i], v, range);
    y[i] = step[i] == T(0) ? T(0) : code * step[i];
  }
}

template <class T>
void each(const T* x, T* y, int64_t n, const GridEach<T>& grids) {
  with_modes(grids, [&](auto modes) { run_each<decltype(modes)>(x, y, n, grids); });
}

}  // namespace

extern const FakeQuantizeKernels fake_quantize;
const FakeQuantizeKernels fake_quantize = {f32, f64, each<float>, each<double>};

}  // namespace chop::CHOP_ISA
