#include "chop/kernels/simd_tables.h"
// clang-format off: after the tables
#include "chop/kernels/transcendental.inl"
// clang-format on

namespace chop::CHOP_ISA {
namespace {

template <class Function>
inline void each(const float* __restrict x, float* __restrict y, int rows, Function f) {
  for (int r = 0; r < rows; ++r)
    for (int s = 0; s < kBlock; ++s) y[r * int64_t{kBlock} + s] = f(x[r * int64_t{kBlock} + s]);
}

template <class Function>
inline void each_wide(const float* __restrict x, float* __restrict y, int rows, Function f) {
  each(x, y, rows, [f](float v) { return static_cast<float>(f(static_cast<double>(v))); });
}

inline float hard_gate(float v) { return clamp(v + 3.0f, 0.0f, 6.0f); }

void in_float(Activation activation, const float constants[3], const float* x, float* y, int rows) {
  const float a = constants[0], b = constants[1];
  switch (activation) {
    case Activation::clamp: return each(x, y, rows, [=](float v) { return clamp(v, a, b); });
    case Activation::raise: return each(x, y, rows, [=](float v) { return v < a ? a : v; });
    case Activation::lower: return each(x, y, rows, [=](float v) { return v > a ? a : v; });
    case Activation::leaky_relu: return each(x, y, rows, [=](float v) { return v > 0.0f ? v : v * a; });
    case Activation::hard_swish: return each(x, y, rows, [](float v) { return v * hard_gate(v) / 6.0f; });
    case Activation::hard_sigmoid: return each(x, y, rows, [](float v) { return hard_gate(v) / 6.0f; });
    case Activation::negate: return each(x, y, rows, [](float v) { return -v; });
    case Activation::absolute: return each(x, y, rows, [](float v) { return __builtin_fabsf(v); });
    case Activation::add: return each(x, y, rows, [=](float v) { return v + a; });
    case Activation::subtract_from: return each(x, y, rows, [=](float v) { return a - v; });
    case Activation::multiply: return each(x, y, rows, [=](float v) { return v * a; });
    case Activation::divide: return each(x, y, rows, [=](float v) { return v / a; });
    case Activation::divide_into: return each(x, y, rows, [=](float v) { return 1.0f / v * a; });
    case Activation::square: return each(x, y, rows, [](float v) { return v * v; });
    case Activation::cube: return each(x, y, rows, [](float v) { return v * v * v; });
    case Activation::inverse_square: return each(x, y, rows, [](float v) { return 1.0f / (v * v); });
    case Activation::square_root: return each(x, y, rows, [](float v) { return __builtin_sqrtf(v); });
    case Activation::inverse_root: return each(x, y, rows, [](float v) { return 1.0f / __builtin_sqrtf(v); });
    case Activation::softsign: return each(x, y, rows, [](float v) { return v / (__builtin_fabsf(v) + 1.0f); });
    default: return;
  }
}

// Below 2^-10 the series; above it 1 - exp(-2x) keeps enough digits.
inline double tanh_wide(double x) {
  const double e = exp_wide(-2.0 * __builtin_fabs(x));
  const double small = x - x * (x * x) * (1.0 / 3.0);
  return __builtin_copysign(__builtin_fabs(x) < 0.0009765625 ? small : (1.0 - e) / (1.0 + e), x);
}

// The tail erfc(|x| / sqrt2) / 2 keeps its digits, where 1 + erf would cancel. Where exp is 0, so is the tail.
inline double gelu_wide(double x) {
  const double a = __builtin_fabs(x) * 0.70710678118654752440;
  const double tail = 0.5 * exp_wide(-0.5 * x * x) * erfcx_wide(a < 10.5 ? a : 10.5);
  return x * (x > 0.0 ? 1.0 - tail : (x > -38.0 ? tail : 0.0));
}

inline double gelu_tanh_wide(double x) {
  const double inner = 0.79788456080286535588 * (x + 0.044715 * (x * (x * x)));
  return x / (1.0 + exp_wide(-2.0 * inner));
}

// With e = exp(x): tanh(log(1 + e)) = e (e + 2) / (e (e + 2) + 2), which is 1 long before e grows too large.
inline double mish_wide(double x) {
  const double e = exp_wide(x > 40.0 ? 40.0 : x), n = e * (e + 2.0);
  return x * (x < -700.0 ? 0.0 : n / (n + 2.0));
}

inline double softplus_scaled(double x, double beta, double threshold) {
  return x * beta > threshold ? x : softplus_wide(x * beta) / beta;
}

inline double elu_wide(double x, double below, double above, double scale) {
  return x < 0.0 ? expm1_wide(x * scale) * below : x * above;
}

inline double logarithm_wide(double x) {
  const double result = log_wide(x > 0.0 ? x : 1.0);
  return x > 0.0 ? result : (x == 0.0 ? -__builtin_inf() : __builtin_nan(""));
}

void in_double(Activation activation, const float constants[3], const float* x, float* y, int rows) {
  const double a = static_cast<double>(constants[0]), b = static_cast<double>(constants[1]);
  const double c = static_cast<double>(constants[2]);
  switch (activation) {
    case Activation::sigmoid: return each_wide(x, y, rows, [](double v) { return 1.0 / (1.0 + exp_wide(-v)); });
    case Activation::tanh: return each_wide(x, y, rows, [](double v) { return tanh_wide(v); });
    case Activation::gelu: return each_wide(x, y, rows, [](double v) { return gelu_wide(v); });
    case Activation::gelu_tanh: return each_wide(x, y, rows, [](double v) { return gelu_tanh_wide(v); });
    case Activation::silu: return each_wide(x, y, rows, [](double v) { return v / (1.0 + exp_wide(-v)); });
    case Activation::mish: return each_wide(x, y, rows, [](double v) { return mish_wide(v); });
    case Activation::log_sigmoid: return each_wide(x, y, rows, [](double v) { return -softplus_wide(-v); });
    case Activation::softplus: return each_wide(x, y, rows, [=](double v) { return softplus_scaled(v, a, b); });
    case Activation::elu: return each_wide(x, y, rows, [=](double v) { return elu_wide(v, a, b, c); });
    case Activation::exponential: return each_wide(x, y, rows, [](double v) { return exp_wide(v); });
    case Activation::logarithm: return each_wide(x, y, rows, [](double v) { return logarithm_wide(v); });
    default: return in_float(activation, constants, x, y, rows);
  }
}

}  // namespace

extern const ActivationKernel activation;
const ActivationKernel activation = in_double;

}  // namespace chop::CHOP_ISA
