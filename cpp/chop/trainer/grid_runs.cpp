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

}  // namespace

std::vector<GridRun> grid_runs(const ElementFormats& formats) {
  std::vector<GridRun> runs;
  for (size_t i = 0; i < formats.size(); ++i) {
    if (i == 0 || !(formats[i] == formats[i - 1])) runs.push_back({static_cast<int64_t>(i), 0, formats[i]});
    ++runs.back().count;
  }
  return runs;
}

template <class T>
void on_grid(const FixedPoint& format, const T* x, T* y, int64_t n) {
  if (format.width == 0) {
    std::fill(y, y + n, T(0));
  } else {
    Real<T>::fake_quantize()(x, y, n, grid_of<typename Real<T>::Grid>(format));
  }
}

template <class T>
void pass_gradient(const FixedPoint& format, bool clipped, const T* x, const T* g, T* dx, int64_t n) {
  if (format.width == 0) {
    std::fill(dx, dx + n, T(0));
  } else if (!clipped) {
    if (dx != g) std::copy(g, g + n, dx);
  } else {
    const auto grid = grid_of<typename Real<T>::Grid>(format);
    if (format.rounding == RoundingMode::half_even)
      return Real<T>::kernels().elementwise.inside(x, grid.inverse_step, grid.qmin, grid.qmax, g, dx, n);
    for (int64_t i = 0; i < n; ++i) {
      const T code = rounded(x[i] * grid.inverse_step, format.rounding);
      dx[i] = code >= grid.qmin && code <= grid.qmax ? g[i] : T(0);
    }
  }
}

template void on_grid<float>(const FixedPoint&, const float*, float*, int64_t);
template void on_grid<double>(const FixedPoint&, const double*, double*, int64_t);
template void pass_gradient<float>(const FixedPoint&, bool, const float*, const float*, float*, int64_t);
template void pass_gradient<double>(const FixedPoint&, bool, const double*, const double*, double*, int64_t);

}  // namespace chop::trainer
