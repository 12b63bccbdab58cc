// The truth: plain loops, one operation after the other.
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "chop/kernels/kernels.h"
#include "chop/kernels/reference_gather.h"
#include "chop/kernels/reference_product.h"

namespace chop {
namespace {

template <class T>
T rounded(T x, T v, RoundingMode mode) {
  switch (mode) {
    case RoundingMode::floor:
      if (v == T(0) && x < T(0)) return T(-1);  // the product was too small for T
      return std::floor(v);
    case RoundingMode::half_up:
      // round() takes halves away from zero; + 0 because there is no -0.0 here.
      return std::round(v) + (v - std::trunc(v) == T(-0.5) ? T(1) : T(0));
    case RoundingMode::half_even: break;
  }
  return std::nearbyint(v);
}

// fmod is exact, and double holds every remainder, so that a float is rounded once.
template <class T>
T wrapped(T code, T x, T v, const double modulus, bool is_signed) {
  if (std::isinf(x)) return std::numeric_limits<T>::quiet_NaN();
  if (std::isinf(v)) return T(0);  // a multiple of a power of two far above the modulus
  const double low = is_signed ? -modulus / 2 : 0.0, high = low + modulus;
  const auto c = static_cast<double>(code);
  if (std::isnan(code) || (c >= low && c < high)) return code;
  double remainder = std::fmod(c, modulus);
  if (remainder < low) remainder += modulus;
  if (remainder >= high) remainder -= modulus;
  return static_cast<T>(remainder + 0.0);
}

template <class T, class Grid>
T code_of(T x, const Grid& grid) {
  const T v = x * grid.inverse_step;
  const T code = rounded(x, v, grid.rounding);
  if (grid.overflow == OverflowMode::wrap)
    return wrapped(code, x, v, static_cast<double>(grid.modulus), grid.qmin < T(0));
  if (code < grid.qmin) return grid.qmin;
  if (code > grid.qmax) return grid.qmax;
  return code;
}

template <class T, class Grid>
void fake_quantize(const T* x, T* y, int64_t n, const Grid& grid) {
  for (int64_t i = 0; i < n; ++i) y[i] = code_of(x[i], grid) * grid.step;
}

void fake_quantize_f32(const float* x, float* y, int64_t n, const GridF32& grid) { fake_quantize(x, y, n, grid); }
void fake_quantize_f64(const double* x, double* y, int64_t n, const GridF64& grid) { fake_quantize(x, y, n, grid); }

template <class T, class Grid>
void fake_quantize_each(const T* x, T* y, int64_t n, const GridEach<T>& g) {
  for (int64_t i = 0; i < n; ++i) {
    const Grid grid{g.inverse_step[i], g.step[i], g.qmin[i], g.qmax[i], g.modulus[i], g.rounding, g.overflow};
    y[i] = grid.step == T(0) ? T(0) : code_of(x[i], grid) * grid.step;
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
  v = code_of(v, op.grid);
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

void classify(const float* logits, int classes, const uint16_t* labels, int valid, bool want_loss, BlockScore* score) {
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

// log softmax of row s at class c.
double log_probability(const float* logits, int classes, int c, int s) {
  const double top = static_cast<double>(logits[argmax(logits, classes, s) * kBlock + s]);
  double sum = 0.0;
  for (int k = 0; k < classes; ++k) sum += std::exp(static_cast<double>(logits[k * kBlock + s]) - top);
  return static_cast<double>(logits[c * kBlock + s]) - top - std::log(sum);
}

void row_losses(const float* logits, int classes, const uint16_t* labels, int valid, double* losses) {
  for (int s = 0; s < valid; ++s) losses[s] = -log_probability(logits, classes, static_cast<int>(labels[s]), s);
}

SquareSums squares(const float* logits, const float* reference, int classes, int valid) {
  SquareSums sums{0.0, 0.0};
  for (int c = 0; c < classes; ++c)
    for (int s = 0; s < valid; ++s) {
      const double r = static_cast<double>(reference[c * kBlock + s]);
      const double difference = static_cast<double>(logits[c * kBlock + s]) - r;
      sums.error += difference * difference;
      sums.signal += r * r;
    }
  return sums;
}

double divergence(const float* logits, const float* reference, int classes, int valid) {
  double sum = 0.0;
  for (int s = 0; s < valid; ++s)
    for (int c = 0; c < classes; ++c) {
      const double expected = log_probability(reference, classes, c, s), p = std::exp(expected);
      if (p != 0.0) sum += p * (expected - log_probability(logits, classes, c, s));
    }
  return sum;
}

double classify_counts(const float* logits, int classes, const uint16_t* labels, int valid, bool want_loss,
                       int64_t* predicted, int64_t* correct) {
  BlockScore score;
  classify(logits, classes, labels, valid, want_loss, &score);
  for (int s = 0; s < valid; ++s) {
    ++predicted[score.predicted[s]];
    if (score.predicted[s] == labels[s]) ++correct[score.predicted[s]];
  }
  return score.loss;
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
void column_squares(const T* x, int64_t rows, int64_t stride, int64_t width, bool abs, const double* mean, double* rest,
                    double* squares) {
  for (int64_t c = 0; c < width; ++c) {
    rest[c] = squares[c] = 0.0;
    for (int64_t r = 0; r < rows; ++r) {
      const double v = static_cast<double>(x[r * stride + c]);
      const double distance = (abs ? std::fabs(v) : v) - mean[c];
      rest[c] += distance;
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

void squared_errors(const float* x, int64_t n, int64_t place, const GridF32* grids, int count, double* sums) {
  for (int g = 0; g < count; ++g)
    for (int64_t i = 0; i < n; ++i) {
      if (!std::isfinite(x[i])) continue;
      float q = 0.0f;
      fake_quantize_f32(x + i, &q, 1, grids[g]);
      const double distance = static_cast<double>(x[i]) - static_cast<double>(q);
      sums[g * kErrorLanes + (place + i) % kErrorLanes] += distance * distance;
    }
}

}  // namespace

const KernelTable reference_kernels = {
    "reference",
    fake_quantize_f32,
    fake_quantize_f64,
    fake_quantize_each<float, GridF32>,
    fake_quantize_each<double, GridF64>,
    matrix_product,
    elementwise,
    reference::encode,
    {reference::u8x4, reference::s16x2, reference::whole, reference::exact, reference::ordered, reference::wide},
    classify,
    classify_counts,
    {row_losses, squares, divergence},
    {column_sums<float>, column_squares<float>},
    {column_sums<double>, column_squares<double>},
    window<float>,
    window<double>,
    squared_errors,
    nullptr,
    {},
    {reference::gather, reference::depthwise, reference::plane_sum_wide}};

}  // namespace chop
