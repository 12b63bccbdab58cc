#include "chop/trainer/grid_runs.h"

#include <algorithm>
#include <cmath>

namespace chop::trainer {
namespace {

template <class T>
T rounded(T v, RoundingMode mode) {
  const T below = std::floor(v);
  return mode == RoundingMode::half_up && v - below >= T(0.5) ? below + T(1) : below;
}

template <class T>
const typename Real<T>::Grid& grid(const GridRun& run) {
  if constexpr (sizeof(T) == sizeof(float)) {
    return run.narrow;
  } else {
    return run.wide;
  }
}

}  // namespace

std::vector<GridRun> grid_runs(const ElementFormats& formats) {
  std::vector<GridRun> runs;
  for (size_t i = 0; i < formats.size(); ++i) {
    if (i == 0 || !(formats[i] == formats[i - 1])) {
      GridRun run{static_cast<int64_t>(i), 0, formats[i]};
      if (formats[i].width > 0) run.narrow = grid_of<GridF32>(formats[i]), run.wide = grid_of<GridF64>(formats[i]);
      runs.push_back(run);
    }
    ++runs.back().count;
  }
  return runs;
}

template <class T>
void on_grid(const GridRun& run, const T* x, T* y, int64_t n) {
  if (run.format.width == 0) {
    std::fill(y, y + n, T(0));
  } else {
    Real<T>::fake_quantize()(x, y, n, grid<T>(run));
  }
}

template <class T>
void pass_gradient(const GridRun& run, bool clipped, const T* x, const T* g, T* dx, int64_t n) {
  if (run.format.width == 0) {
    std::fill(dx, dx + n, T(0));
  } else if (!clipped) {
    if (dx != g) std::copy(g, g + n, dx);
  } else {
    const auto& on = grid<T>(run);
    if (on.rounding == RoundingMode::half_even)
      return Real<T>::kernels().elementwise.inside(x, on.inverse_step, on.qmin, on.qmax, g, dx, n);
    for (int64_t i = 0; i < n; ++i) {
      const T code = rounded(x[i] * on.inverse_step, on.rounding);
      dx[i] = code >= on.qmin && code <= on.qmax ? g[i] : T(0);
    }
  }
}

template void on_grid<float>(const GridRun&, const float*, float*, int64_t);
template void on_grid<double>(const GridRun&, const double*, double*, int64_t);
template void pass_gradient<float>(const GridRun&, bool, const float*, const float*, float*, int64_t);
template void pass_gradient<double>(const GridRun&, bool, const double*, const double*, double*, int64_t);

}  // namespace chop::trainer
