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

void run(Activation activation, const float constants[3], const float* x, float* y, int rows) {
  const float a = constants[0], b = constants[1];
  switch (activation) {
    case Activation::clamp: return each(x, y, rows, [=](float v) { return clamp(v, a, b); });
    case Activation::leaky_relu: return each(x, y, rows, [=](float v) { return v > 0.0f ? v : v * a; });
    case Activation::hard_swish: return each(x, y, rows, [](float v) { return v * hard_gate(v) / 6.0f; });
    case Activation::hard_sigmoid: return each(x, y, rows, [](float v) { return hard_gate(v) / 6.0f; });
    case Activation::negate: return each(x, y, rows, [](float v) { return -v; });
    case Activation::add: return each(x, y, rows, [=](float v) { return v + a; });
    case Activation::subtract_from: return each(x, y, rows, [=](float v) { return a - v; });
    case Activation::multiply: return each(x, y, rows, [=](float v) { return v * a; });
    case Activation::divide: return each(x, y, rows, [=](float v) { return v / a; });
    case Activation::divide_into: return each(x, y, rows, [=](float v) { return 1.0f / v * a; });
    case Activation::sigmoid: return each_wide(x, y, rows, [](double v) { return 1.0 / (1.0 + exp_wide(-v)); });
    case Activation::tanh: return each_wide(x, y, rows, [](double v) { return tanh_wide(v); });
    case Activation::gelu: return each_wide(x, y, rows, [](double v) { return gelu_wide(v); });
    case Activation::gelu_tanh: return each_wide(x, y, rows, [](double v) { return gelu_tanh_wide(v); });
    case Activation::silu: return each_wide(x, y, rows, [](double v) { return v / (1.0 + exp_wide(-v)); });
  }
}

}  // namespace

extern const ActivationKernel activation;
const ActivationKernel activation = run;

}  // namespace chop::CHOP_ISA
