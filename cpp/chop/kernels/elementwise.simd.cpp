#include "chop/kernels/simd_tables.h"
// clang-format off: after the tables
#include "chop/kernels/rounding.inl"
#include "chop/kernels/vector.inl"
// clang-format on

namespace chop::CHOP_ISA {
namespace {

enum class Affine { none, fused, separate };

template <Affine affine, bool relu, Rounding rounding>
void row(const Elementwise& op, int r, const float* x, float* y) {
  const float alpha = affine == Affine::none ? 1.0f : op.alpha[r];
  const float beta = affine == Affine::none ? 0.0f : op.beta[r];
  const float inverse = op.grid.inverse_step, step = op.grid.step, lo = op.grid.qmin, hi = op.grid.qmax;
  // x and y may be the same row: each number is read before it is written.
  CHOP_NO_ALIAS for (int s = 0; s < kBlock; ++s) {
    float v = x[s];
    if constexpr (affine == Affine::fused) v = fused_multiply_add(v, alpha, beta);
    if constexpr (affine == Affine::separate) v = v * alpha + beta;
    if constexpr (relu) v = v < 0.0f ? 0.0f : v;
    if constexpr (rounding != Rounding::none) v = clamp(round_half_even(v * inverse), lo, hi);
    if constexpr (rounding == Rounding::values) v = v * step;
    y[s] = v;
  }
}

template <Affine affine, bool relu, Rounding rounding>
void rows(const Elementwise& op, const float* x, float* y, int count) {
  for (int r = 0; r < count; ++r) row<affine, relu, rounding>(op, r, x + r * kBlock, y + r * kBlock);
}

// One row of a block on the grid in modes of its own, in place: a second pass over a row keeps the loops above few.
template <class Modes>
void round_row(const GridF32& grid, float step, float* row) {
  const CodeRange<float> range = code_range<float>(grid);
  for (int s = 0; s < kBlock; ++s) {
    const float v = row[s] * grid.inverse_step;
    row[s] = into_range<Modes::overflow>(round_code<Modes::rounding>(row[s], v), row[s], v, range) * step;
  }
}

using RowRounding = void (*)(const GridF32&, float, float*);

template <Affine affine, bool relu>
void rows_in_modes(const Elementwise& op, const float* x, float* y, int count) {
  const float step = op.rounding == Rounding::values ? op.grid.step : 1.0f;
  const RowRounding round = with_modes(op.grid, [](auto modes) -> RowRounding { return round_row<decltype(modes)>; });
  for (int r = 0; r < count; ++r) {
    row<affine, relu, Rounding::none>(op, r, x + r * kBlock, y + r * kBlock);
    round(op.grid, step, y + r * kBlock);
  }
}

bool has_usual_modes(const GridF32& grid) {
  return grid.rounding == RoundingMode::half_even && grid.overflow == OverflowMode::saturate;
}

template <Affine affine, bool relu>
void by_rounding(const Elementwise& op, const float* x, float* y, int count) {
  if (op.rounding != Rounding::none && !has_usual_modes(op.grid)) return rows_in_modes<affine, relu>(op, x, y, count);
  switch (op.rounding) {
    case Rounding::none: return rows<affine, relu, Rounding::none>(op, x, y, count);
    case Rounding::codes: return rows<affine, relu, Rounding::codes>(op, x, y, count);
    case Rounding::values: return rows<affine, relu, Rounding::values>(op, x, y, count);
  }
}

template <Affine affine>
void by_relu(const Elementwise& op, const float* x, float* y, int count) {
  op.relu ? by_rounding<affine, true>(op, x, y, count) : by_rounding<affine, false>(op, x, y, count);
}

void run(const Elementwise& op, const float* x, float* y, int count) {
  if (!op.alpha) return by_relu<Affine::none>(op, x, y, count);
  op.fused_affine ? by_relu<Affine::fused>(op, x, y, count) : by_relu<Affine::separate>(op, x, y, count);
}

}  // namespace

extern const ElementwiseKernel elementwise;
const ElementwiseKernel elementwise = run;

}  // namespace chop::CHOP_ISA
