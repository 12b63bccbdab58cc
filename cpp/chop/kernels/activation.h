// Functions of single numbers.
#pragma once

namespace chop {

// With the constants a, b and c. NaN and infinities give what torch gives.
enum class Activation : int {
  // In float, in torch's order of operations.
  clamp,           // to [a, b]
  raise,           // to at least a
  lower,           // to at most a
  leaky_relu,      // x where x > 0, else a x
  hard_swish,      // x min(max(x + 3, 0), 6) / 6
  hard_sigmoid,    // min(max(x + 3, 0), 6) / 6
  negate,          // -x
  absolute,        // |x|
  add,             // x + a
  subtract_from,   // a - x
  multiply,        // x a
  divide,          // x / a
  divide_into,     // (1 / x) a
  square,          // x x
  cube,            // x x x
  inverse_square,  // 1 / (x x)
  square_root,
  inverse_root,  // 1 / sqrt(x)
  softsign,      // x / (|x| + 1)
  // In double, rounded once, with an error below 1 ulp.
  sigmoid,
  tanh,
  gelu,       // x Phi(x), Phi by the error function
  gelu_tanh,  // x Phi(x), Phi by the hyperbolic tangent
  silu,       // x sigmoid(x)
  mish,       // x tanh(log(1 + exp(x)))
  log_sigmoid,
  softplus,  // log(1 + exp(a x)) / a where a x <= b, else x
  elu,       // x b where x >= 0, else (exp(x c) - 1) a
  exponential,
  logarithm,
};
inline constexpr int kActivations = static_cast<int>(Activation::logarithm) + 1;

using ActivationKernel = void (*)(Activation activation, const float constants[3], const float* x, float* y, int rows);

}  // namespace chop
