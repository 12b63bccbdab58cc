// Functions of single numbers.
#pragma once

namespace chop {

// With the constants a, b, c; in float, in torch's order of operations, down to `subtract_from`; those after it are
// computed in double and rounded once, with an error below 1 ulp. NaN and infinities give what torch gives.
enum class Activation : int {
  clamp,         // to [a, b]
  leaky_relu,    // x where x > 0, else a x
  hard_swish,    // x min(max(x + 3, 0), 6) / 6
  hard_sigmoid,  // min(max(x + 3, 0), 6) / 6
  negate,
  add,            // x + a
  subtract_from,  // a - x
  multiply,       // x a
  divide,         // x / a
  divide_into,    // (1 / x) a
  sigmoid,
  tanh,
  gelu,       // x Phi(x), Phi by the error function
  gelu_tanh,  // x Phi(x), Phi by the hyperbolic tangent
  silu,       // x sigmoid(x)
};

using ActivationKernel = void (*)(Activation activation, const float constants[3], const float* x, float* y, int rows);

}  // namespace chop
