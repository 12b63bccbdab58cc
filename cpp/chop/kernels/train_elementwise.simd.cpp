#include "chop/kernels/simd_tables.h"
// clang-format off: after the tables
#include "chop/kernels/transcendental.inl"
#include "chop/kernels/vector.inl"
// clang-format on

namespace chop::CHOP_ISA {
namespace {

inline double sigmoid(double x) { return 1.0 / (1.0 + exp_wide(-x)); }
inline double tanh_of(double x) {
  const double e = expm1_wide(-2.0 * __builtin_fabs(x));
  return __builtin_copysign(-e / (2.0 + e), x);
}

// The normal distribution function, and its density.
inline double normal(double x) {
  const double a = clamp(__builtin_fabs(x) * 0.70710678118654752440, 0.0, 10.5);
  const double tail = 0.5 * exp_wide(-a * a) * erfcx_wide(a);
  return x > 0.0 ? 1.0 - tail : tail;
}
inline double density(double x) { return 0.39894228040143267794 * exp_wide(-0.5 * x * x); }

// tanh of sqrt(2 / pi) (x + 0.044715 x^3), and the slope of what is inside.
inline double gelu_inner(double x) { return 0.79788456080286535588 * (x + 0.044715 * x * x * x); }
inline double gelu_inner_slope(double x) { return 0.79788456080286535588 * (1.0 + 3.0 * 0.044715 * x * x); }

template <TrainUnary kind>
inline double value(const TrainUnaryOp& op, double x) {
  if constexpr (kind == TrainUnary::affine) return op.a * x + op.b;
  if constexpr (kind == TrainUnary::clamp) return clamp(x, op.a, op.b);
  if constexpr (kind == TrainUnary::leaky_relu) return x > 0.0 ? x : x * op.a;
  if constexpr (kind == TrainUnary::sigmoid) return sigmoid(x);
  if constexpr (kind == TrainUnary::tanh) return tanh_of(x);
  if constexpr (kind == TrainUnary::gelu) return x * normal(x);
  if constexpr (kind == TrainUnary::gelu_tanh) return 0.5 * x * (1.0 + tanh_of(gelu_inner(x)));
  if constexpr (kind == TrainUnary::silu) return x * sigmoid(x);
  if constexpr (kind == TrainUnary::elu) return x > 0.0 ? x * op.b : expm1_wide(x * op.c) * op.a;
  if constexpr (kind == TrainUnary::softplus) return op.a * x > op.b ? x : softplus_wide(op.a * x) / op.a;
  if constexpr (kind == TrainUnary::mish) return x * tanh_of(softplus_wide(x));
  if constexpr (kind == TrainUnary::log_sigmoid) return -softplus_wide(-x);
  if constexpr (kind == TrainUnary::softsign) return x / (1.0 + __builtin_fabs(x));
  if constexpr (kind == TrainUnary::hard_sigmoid) return clamp(x + 3.0, 0.0, 6.0) / 6.0;
  if constexpr (kind == TrainUnary::hard_swish) return x * clamp(x + 3.0, 0.0, 6.0) / 6.0;
  return exp_wide(x);
}

template <TrainUnary kind>
inline double slope(const TrainUnaryOp& op, double x) {
  if constexpr (kind == TrainUnary::affine) return op.a;
  if constexpr (kind == TrainUnary::clamp) {
    const bool inside = op.c > 0.0 ? x >= op.a && x <= op.b : x > op.a && x < op.b;
    return inside ? 1.0 : 0.0;
  }
  if constexpr (kind == TrainUnary::leaky_relu) return x > 0.0 ? 1.0 : op.a;
  const double s = sigmoid(x);
  if constexpr (kind == TrainUnary::sigmoid) return s * (1.0 - s);
  if constexpr (kind == TrainUnary::tanh) return 1.0 - tanh_of(x) * tanh_of(x);
  if constexpr (kind == TrainUnary::gelu) return normal(x) + x * density(x);
  if constexpr (kind == TrainUnary::gelu_tanh) {
    const double t = tanh_of(gelu_inner(x));
    return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * gelu_inner_slope(x);
  }
  if constexpr (kind == TrainUnary::silu) return s * (1.0 + x * (1.0 - s));
  if constexpr (kind == TrainUnary::elu) return x > 0.0 ? op.b : exp_wide(x * op.c) * op.c * op.a;
  if constexpr (kind == TrainUnary::softplus) return op.a * x > op.b ? 1.0 : sigmoid(op.a * x);
  if constexpr (kind == TrainUnary::mish) {
    const double t = tanh_of(softplus_wide(x));
    return t + x * s * (1.0 - t * t);
  }
  if constexpr (kind == TrainUnary::log_sigmoid) return sigmoid(-x);
  if constexpr (kind == TrainUnary::softsign) return 1.0 / ((1.0 + __builtin_fabs(x)) * (1.0 + __builtin_fabs(x)));
  if constexpr (kind == TrainUnary::hard_sigmoid) return x > -3.0 && x < 3.0 ? static_cast<double>(1.0f / 6.0f) : 0.0;
  if constexpr (kind == TrainUnary::hard_swish) return x <= -3.0 ? 0.0 : (x < 3.0 ? x / 3.0 + 0.5 : 1.0);
  return exp_wide(x);
}

template <class T, TrainUnary kind>
void forward(const TrainUnaryOp& op, const T* x, T* y, int64_t n) {
  const TrainUnaryOp constants = op;
  CHOP_NO_ALIAS for (int64_t i = 0; i < n; ++i) y[i] = static_cast<T>(value<kind>(constants, x[i]));
}

template <class T, TrainUnary kind>
void backward(const TrainUnaryOp& op, const T* x, const T* g, T* dx, int64_t n) {
  const TrainUnaryOp constants = op;
  CHOP_NO_ALIAS for (int64_t i = 0; i < n; ++i) dx[i] =
      static_cast<T>(slope<kind>(constants, x[i]) * static_cast<double>(g[i]));
}

// Finds the function compiled for op.kind among all kinds from `kind` on.
template <class T, int kind = 0>
void unary(const TrainUnaryOp& op, const T* x, T* y, int64_t n) {
  if constexpr (kind < kTrainUnaries) {
    if (static_cast<int>(op.kind) == kind) return forward<T, static_cast<TrainUnary>(kind)>(op, x, y, n);
    unary<T, kind + 1>(op, x, y, n);
  }
}
template <class T, int kind = 0>
void unary_backward(const TrainUnaryOp& op, const T* x, const T* g, T* dx, int64_t n) {
  if constexpr (kind < kTrainUnaries) {
    if (static_cast<int>(op.kind) == kind) return backward<T, static_cast<TrainUnary>(kind)>(op, x, g, dx, n);
    unary_backward<T, kind + 1>(op, x, g, dx, n);
  }
}

template <class T>
void relu(const T* x, T* y, int64_t n) {
  CHOP_NO_ALIAS for (int64_t i = 0; i < n; ++i) y[i] = x[i] < T(0) ? T(0) : x[i];
}

template <class T>
void relu_backward(const T* y, const T* g, T* dx, int64_t n) {
  CHOP_NO_ALIAS for (int64_t i = 0; i < n; ++i) dx[i] = y[i] > T(0) ? g[i] : T(0);
}

template <class T>
void inside(const T* x, T inverse_step, T low, T high, const T* g, T* dx, int64_t n) {
  CHOP_NO_ALIAS for (int64_t i = 0; i < n; ++i) {
    const T code = round_half_even(x[i] * inverse_step);
    dx[i] = code >= low && code <= high ? g[i] : T(0);
  }
}

template <class T>
void combine(const T* a, T factor, const T* b, T* y, int64_t n) {
  CHOP_NO_ALIAS for (int64_t i = 0; i < n; ++i) y[i] = a[i] + factor * b[i];
}

template <class T>
void multiply(const T* a, const T* b, T* y, int64_t n) {
  CHOP_NO_ALIAS for (int64_t i = 0; i < n; ++i) y[i] = a[i] * b[i];
}

template <class T>
void multiply_add(const T* a, const T* b, T* y, int64_t n) {
  CHOP_NO_ALIAS for (int64_t i = 0; i < n; ++i) y[i] += a[i] * b[i];
}

template <class T>
constexpr TrainElementwiseKernels<T> table() {
  return {unary<T>, unary_backward<T>, relu<T>, relu_backward<T>, inside<T>, combine<T>, multiply<T>, multiply_add<T>};
}

}  // namespace

extern const TrainElementwiseKernels<float> train_elementwise_f32;
extern const TrainElementwiseKernels<double> train_elementwise_f64;
const TrainElementwiseKernels<float> train_elementwise_f32 = table<float>();
const TrainElementwiseKernels<double> train_elementwise_f64 = table<double>();

}  // namespace chop::CHOP_ISA
