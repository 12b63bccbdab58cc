// What combines whole rows of blocks: x[i * kBlock] is the row i. No result may overlap what is read.
#pragma once

#include <cstdint>

namespace chop {

// Sets of rows: the set i holds rows[begin[i]] … rows[begin[i + 1] - 1].
struct RowSets {
  const int32_t* begin = nullptr;  // [count + 1]
  const int32_t* rows = nullptr;
  int count = 0;
};

enum class Arithmetic : int { add, subtract, multiply, divide, smaller, larger };  // NaN wins

struct RowKernels {
  // y's row i = the largest of set i; NaN wins, an empty set gives -inf.
  void (*largest)(const RowSets& sets, const float* x, float* y) = nullptr;
  // y's row i = the sum over set i: in float from 0 in the set's order, or in double and rounded once.
  void (*sum)(const RowSets& sets, const float* x, float* y) = nullptr;
  void (*sum_wide)(const RowSets& sets, const float* x, float* y) = nullptr;
  void (*divide)(float* y, const float* by, int rows) = nullptr;  // y's row i /= by[i]
  // y's row i = a's row a_rows[i] op b's row b_rows[i]; null: row i itself.
  void (*combine)(Arithmetic op, const float* a, const int32_t* a_rows, const float* b, const int32_t* b_rows, float* y,
                  int rows) = nullptr;
  // y[s] = sum over k of a[k * a_step][s] * b[k * b_step][s], in double, rounded once. Steps in rows.
  void (*dot)(const float* a, int64_t a_step, const float* b, int64_t b_step, int k, float* y) = nullptr;
  // Over `size` rows, `step` rows apart, of x and of y alike; error below 1 ulp, of the largest term if logarithm.
  void (*softmax)(const float* x, int size, int64_t step, bool logarithm, float* y) = nullptr;
  // (x - mean) / sqrt(variance + eps) * gamma[r] + beta[r] over `size` rows, in double, rounded once. gamma and beta
  // may be null.
  void (*normalize)(const float* x, int size, double eps, const float* gamma, const float* beta, float* y) = nullptr;
};

}  // namespace chop
