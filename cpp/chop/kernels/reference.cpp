// The truth: plain loops, one operation after the other.
#include <cmath>
#include <cstdint>
#include <vector>

#include "chop/kernels/kernels.h"
#include "chop/kernels/reference_product.h"

namespace chop {
namespace {

template <class T>
T round_and_clamp(T v, T lo, T hi) {
  v = std::nearbyint(v);
  if (v < lo) v = lo;
  if (v > hi) v = hi;
  return v;
}

template <class T, class Grid>
void fake_quantize(const T* x, T* y, int64_t n, const Grid& grid) {
  for (int64_t i = 0; i < n; ++i) y[i] = round_and_clamp(x[i] * grid.inverse_step, grid.qmin, grid.qmax) * grid.step;
}

void fake_quantize_f32(const float* x, float* y, int64_t n, const GridF32& grid) { fake_quantize(x, y, n, grid); }
void fake_quantize_f64(const double* x, double* y, int64_t n, const GridF64& grid) { fake_quantize(x, y, n, grid); }

void linear_ordered(const float* x, const float* weight, const float* bias, float* y, int in, int out) {
  for (int o = 0; o < out; ++o)
    for (int s = 0; s < kBlock; ++s) {
      float sum = bias ? bias[o] : 0.0f;
      for (int i = 0; i < in; ++i) sum += x[i * kBlock + s] * weight[o * in + i];
      y[o * kBlock + s] = sum;
    }
}

void linear_wide(const float* x, const double* weight, const double* bias, float* y, int in, int out) {
  for (int o = 0; o < out; ++o)
    for (int s = 0; s < kBlock; ++s) {
      double sum = bias ? bias[o] : 0.0;
      for (int i = 0; i < in; ++i) sum += static_cast<double>(x[i * kBlock + s]) * weight[o * in + i];
      y[o * kBlock + s] = static_cast<float>(sum);
    }
}

void matrix_product(const MatrixProduct& p) {
  for (int m = 0; m < p.m; ++m)
    for (int n = 0; n < p.n; ++n) {
      float sum = p.row_bias ? p.row_bias[m] : 0.0f;
      if (p.column_bias) sum += p.column_bias[n];
      for (int k = 0; k < p.k; ++k) sum += p.a[m * p.lda + k] * p.b[k * p.ldb + n];
      p.c[m * p.ldc + n] = sum;
    }
}

float apply(const Elementwise& op, int row, float v) {
  if (op.alpha) {
    v = op.fused_affine ? std::fma(v, op.alpha[row], op.beta[row]) : v * op.alpha[row] + op.beta[row];
  }
  if (op.relu && v < 0.0f) v = 0.0f;
  if (op.rounding == Rounding::none) return v;
  v = round_and_clamp(v * op.grid.inverse_step, op.grid.qmin, op.grid.qmax);
  return op.rounding == Rounding::values ? v * op.grid.step : v;
}

void elementwise(const Elementwise& op, const float* x, float* y, int rows) {
  for (int r = 0; r < rows; ++r)
    for (int s = 0; s < kBlock; ++s) y[r * kBlock + s] = apply(op, r, x[r * kBlock + s]);
}

int argmax(const float* logits, int classes, int s) {
  int best = 0;
  for (int c = 1; c < classes; ++c) {
    const float v = logits[c * kBlock + s], champion = logits[best * kBlock + s];
    if (std::isnan(champion)) break;
    if (std::isnan(v) || v > champion) best = c;
  }
  return best;
}

void classify(const float* logits, int classes, const int32_t* labels, int valid, bool want_loss, BlockScore* score) {
  score->loss = 0.0;
  for (int s = 0; s < kBlock; ++s) {
    const int best = argmax(logits, classes, s);
    score->predicted[s] = best;
    if (!want_loss || s >= valid) continue;
    const double top = logits[best * kBlock + s];
    double sum = 0.0;
    for (int c = 0; c < classes; ++c) sum += std::exp(static_cast<double>(logits[c * kBlock + s]) - top);
    score->loss += std::log(sum) + top - static_cast<double>(logits[labels[s] * kBlock + s]);
  }
}

template <class T>
void column_sums(const T* x, int64_t rows, int64_t stride, int64_t width, bool abs, double* sum, T* low, T* high) {
  for (int64_t c = 0; c < width; ++c) {
    sum[c] = 0.0;
    for (int64_t r = 0; r < rows; ++r) {
      const T v = abs ? std::fabs(x[r * stride + c]) : x[r * stride + c];
      sum[c] += static_cast<double>(v);
      if (r == 0 || v < low[c]) low[c] = v;
      if (r == 0 || v > high[c]) high[c] = v;
    }
  }
}

template <class T>
void column_squares(const T* x, int64_t rows, int64_t stride, int64_t width, bool abs, const double* mean,
                    double* squares) {
  for (int64_t c = 0; c < width; ++c) {
    squares[c] = 0.0;
    for (int64_t r = 0; r < rows; ++r) {
      const double v = static_cast<double>(x[r * stride + c]);
      const double distance = (abs ? std::fabs(v) : v) - mean[c];
      squares[c] += distance * distance;
    }
  }
}

template <class T>
int64_t window(const T* x, int64_t n, T low, T high, WindowCounts* counts, T* inside) {
  int64_t found = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (x[i] < low) ++counts->below;
    if (x[i] <= low) ++counts->to_low;
    if (x[i] <= high) ++counts->to_high;
    if (x[i] == x[i]) ++counts->numbers;
    if (x[i] > low && x[i] < high) inside[found++] = x[i];
  }
  return found;
}

}  // namespace

const KernelTable reference_kernels = {
    "reference",
    fake_quantize_f32,
    fake_quantize_f64,
    linear_ordered,
    linear_ordered,
    linear_wide,
    matrix_product,
    elementwise,
    reference::encode,
    {reference::u8x4, reference::s16x2, reference::whole, reference::exact, reference::ordered, reference::wide},
    classify,
    {column_sums<float>, column_squares<float>},
    {column_sums<double>, column_squares<double>},
    window<float>,
    window<double>};

}  // namespace chop
