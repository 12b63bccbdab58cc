#include "chop/kernels/simd_tables.h"
// clang-format off: after the tables
#include "chop/kernels/transcendental.inl"
#include "chop/kernels/vector.inl"
// clang-format on

namespace chop::CHOP_ISA {
namespace {

inline const float* row(const float* x, int64_t i) { return x + i * kBlock; }
inline float* row(float* x, int64_t i) { return x + i * kBlock; }

using Floats = VectorOf<float>::type;

// What starts from `start` and takes in the rows of a set one after the other, a few vectors of samples at a time.
template <class Take>
inline void gather(const RowSets& sets, int i, const float* x, float* y, float start, Take take) {
  constexpr int cols = 4;
  for (int s = 0; s < kBlock; s += kLanes * cols) {
    Floats result[cols];
    CHOP_UNROLL for (int c = 0; c < cols; ++c) result[c] = Floats{} + start;
    for (int32_t j = sets.begin[i]; j < sets.begin[i + 1]; ++j) {
      const float* from = row(x, sets.rows[j]) + s;
      CHOP_UNROLL for (int c = 0; c < cols; ++c) result[c] = take(result[c], load(from + c * kLanes));
    }
    CHOP_UNROLL for (int c = 0; c < cols; ++c) store(y + s + c * kLanes, result[c]);
  }
}

void largest(const RowSets& sets, const float* x, float* y) {
  // A NaN is larger than anything, and nothing is larger than a NaN.
  const auto larger = [](Floats best, Floats v) { return (v > best) | (v != v) ? v : best; };
  for (int i = 0; i < sets.count; ++i) gather(sets, i, x, row(y, i), -__builtin_inff(), larger);
}

void sum(const RowSets& sets, const float* x, float* y) {
  const auto add = [](Floats so_far, Floats v) { return so_far + v; };
  for (int i = 0; i < sets.count; ++i) gather(sets, i, x, row(y, i), 0.0f, add);
}

void sum_wide(const RowSets& sets, const float* x, float* y) {
  for (int i = 0; i < sets.count; ++i) {
    double sums[kBlock];
    for (int s = 0; s < kBlock; ++s) sums[s] = 0.0;
    for (int32_t j = sets.begin[i]; j < sets.begin[i + 1]; ++j) {
      const float* from = row(x, sets.rows[j]);
      for (int s = 0; s < kBlock; ++s) sums[s] += static_cast<double>(from[s]);
    }
    for (int s = 0; s < kBlock; ++s) row(y, i)[s] = static_cast<float>(sums[s]);
  }
}

template <class Op>
inline void pairs(const float* a, const int32_t* a_rows, const float* b, const int32_t* b_rows, float* __restrict y,
                  int rows, Op op) {
  for (int i = 0; i < rows; ++i) {
    const float *left = row(a, a_rows ? a_rows[i] : i), *right = row(b, b_rows ? b_rows[i] : i);
    float* to = row(y, i);
    for (int s = 0; s < kBlock; ++s) to[s] = op(left[s], right[s]);
  }
}

void combine(Arithmetic op, const float* a, const int32_t* a_rows, const float* b, const int32_t* b_rows, float* y,
             int rows) {
  switch (op) {
    case Arithmetic::add: return pairs(a, a_rows, b, b_rows, y, rows, [](float l, float r) { return l + r; });
    case Arithmetic::subtract: return pairs(a, a_rows, b, b_rows, y, rows, [](float l, float r) { return l - r; });
    case Arithmetic::multiply: return pairs(a, a_rows, b, b_rows, y, rows, [](float l, float r) { return l * r; });
    case Arithmetic::divide: return pairs(a, a_rows, b, b_rows, y, rows, [](float l, float r) { return l / r; });
    case Arithmetic::smaller:
      return pairs(a, a_rows, b, b_rows, y, rows, [](float l, float r) { return (l < r) | (l != l) ? l : r; });
    case Arithmetic::larger:
      return pairs(a, a_rows, b, b_rows, y, rows, [](float l, float r) { return (l > r) | (l != l) ? l : r; });
  }
}

void dot(const float* a, int64_t a_step, const float* b, int64_t b_step, int k, float* y) {
  double sums[kBlock];
  for (int s = 0; s < kBlock; ++s) sums[s] = 0.0;
  for (int i = 0; i < k; ++i) {
    const float *left = row(a, i * a_step), *right = row(b, i * b_step);
    for (int s = 0; s < kBlock; ++s) sums[s] += static_cast<double>(left[s]) * static_cast<double>(right[s]);
  }
  for (int s = 0; s < kBlock; ++s) y[s] = static_cast<float>(sums[s]);
}

void divide(float* y, const float* by, int rows) {
  for (int r = 0; r < rows; ++r)
    for (int s = 0; s < kBlock; ++s) row(y, r)[s] /= by[r];
}

// best[kBlock] = the largest number, NaN if there is one.
inline void peak(const float* x, int size, int64_t step, float* best) {
  for (int s = 0; s < kBlock; ++s) best[s] = -__builtin_inff();
  for (int i = 0; i < size; ++i) {
    const float* from = row(x, i * step);
    for (int s = 0; s < kBlock; ++s) best[s] = (!(from[s] <= best[s])) & (best[s] == best[s]) ? from[s] : best[s];
  }
}

// The logarithm needs the sum alone, the quotient the terms too: those wait in y.
template <bool keep_terms>
inline void sum_exponentials(const float* x, int size, int64_t step, const float* best, double* sums,
                             float* __restrict y) {
  for (int s = 0; s < kBlock; ++s) sums[s] = 0.0;
  for (int i = 0; i < size; ++i) {
    const float* from = row(x, i * step);
    double terms[kBlock];
    for (int s = 0; s < kBlock; ++s) terms[s] = exp_wide(static_cast<double>(from[s]) - static_cast<double>(best[s]));
    for (int s = 0; s < kBlock; ++s) sums[s] += terms[s];
    if constexpr (keep_terms)
      for (int s = 0; s < kBlock; ++s) row(y, i * step)[s] = static_cast<float>(terms[s]);
  }
}

void softmax(const float* x, int size, int64_t step, bool logarithm, float* __restrict y) {
  float best[kBlock];
  double sums[kBlock];
  peak(x, size, step, best);
  if (logarithm) {
    sum_exponentials<false>(x, size, step, best, sums, y);
    for (int s = 0; s < kBlock; ++s) sums[s] = log_wide(sums[s]) + static_cast<double>(best[s]);
    for (int i = 0; i < size; ++i)
      for (int s = 0; s < kBlock; ++s)
        row(y, i * step)[s] = static_cast<float>(static_cast<double>(row(x, i * step)[s]) - sums[s]);
    return;
  }
  sum_exponentials<true>(x, size, step, best, sums, y);
  for (int s = 0; s < kBlock; ++s) sums[s] = 1.0 / sums[s];
  for (int i = 0; i < size; ++i)
    for (int s = 0; s < kBlock; ++s)
      row(y, i * step)[s] = static_cast<float>(static_cast<double>(row(y, i * step)[s]) * sums[s]);
}

void normalize(const float* x, int size, double eps, const float* gamma, const float* beta, float* __restrict y) {
  double mean[kBlock], scale[kBlock];
  for (int s = 0; s < kBlock; ++s) mean[s] = scale[s] = 0.0;
  for (int r = 0; r < size; ++r)
    for (int s = 0; s < kBlock; ++s) mean[s] += static_cast<double>(row(x, r)[s]);
  for (int s = 0; s < kBlock; ++s) mean[s] /= size;
  for (int r = 0; r < size; ++r)
    for (int s = 0; s < kBlock; ++s) {
      const double distance = static_cast<double>(row(x, r)[s]) - mean[s];
      scale[s] += distance * distance;
    }
  for (int s = 0; s < kBlock; ++s) scale[s] = 1.0 / __builtin_sqrt(scale[s] / size + eps);
  for (int r = 0; r < size; ++r) {
    const double factor = gamma ? static_cast<double>(gamma[r]) : 1.0;
    const double shift = beta ? static_cast<double>(beta[r]) : 0.0;
    for (int s = 0; s < kBlock; ++s)
      row(y, r)[s] = static_cast<float>((static_cast<double>(row(x, r)[s]) - mean[s]) * scale[s] * factor + shift);
  }
}

}  // namespace

extern const RowKernels row_kernels;
const RowKernels row_kernels = {largest, sum, sum_wide, divide, combine, dot, softmax, normalize};

}  // namespace chop::CHOP_ISA
