// What rounding to a grid costs: sums of squared errors under many grids, the numbers read from memory once.
//
// Separate multiply and add, each number in a lane of its own by its place: the same bits on every instruction set.
#include "chop/kernels/simd_tables.h"
// clang-format off: after the tables
#include "chop/kernels/rounding.inl"
// clang-format on

namespace chop::CHOP_ISA {
namespace {

constexpr int kTile = 2048;  // numbers that stay in L1 while the grids take turns
constexpr float kLargest = 3.402823466e38f;

inline double squared_error(float x, float inverse, float step, float lo, float hi) {
  const float v = __builtin_fabsf(x) <= kLargest ? x : 0.0f;  // NaN and infinities count for nothing
  const float q = clamp(round_half_even(v * inverse), lo, hi) * step;
  const double distance = static_cast<double>(v) - static_cast<double>(q);
  return distance * distance;
}

void one_grid(const float* __restrict x, int n, int lane, const GridF32& grid, double* __restrict sums) {
  const float inverse = grid.inverse_step, step = grid.step, lo = grid.qmin, hi = grid.qmax;
  int i = 0;
  for (; i < n && lane != 0; ++i, lane = (lane + 1) % kErrorLanes)
    sums[lane] += squared_error(x[i], inverse, step, lo, hi);
  double kept[kErrorLanes];
  __builtin_memcpy(kept, sums, sizeof kept);
  for (; i + kErrorLanes <= n; i += kErrorLanes)
    for (int l = 0; l < kErrorLanes; ++l) kept[l] += squared_error(x[i + l], inverse, step, lo, hi);
  __builtin_memcpy(sums, kept, sizeof kept);
  for (; i < n; ++i, ++lane) sums[lane] += squared_error(x[i], inverse, step, lo, hi);
}

void run(const float* x, int64_t n, int64_t place, const GridF32* grids, int count, double* sums) {
  for (int64_t start = 0; start < n; start += kTile) {
    const int length = static_cast<int>(n - start < kTile ? n - start : kTile);
    const int lane = static_cast<int>((place + start) % kErrorLanes);
    for (int g = 0; g < count; ++g) one_grid(x + start, length, lane, grids[g], sums + g * kErrorLanes);
  }
}

}  // namespace

extern const SquaredErrorsKernel squared_errors;
const SquaredErrorsKernel squared_errors = run;

}  // namespace chop::CHOP_ISA
