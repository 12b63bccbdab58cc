// Additions and multiplications counted one by one, batch norm as it computes in training.
#include "chop/cost/model.h"

namespace chop::cost {
namespace {

double work(const Operation& o, const Widths&) { return o.work; }

// n features of b values each: mean, variance, its square root and inverse, then four operations per element.
double batch_norm(const Operation& o, const Widths&) {
  const auto n = static_cast<double>(o.output[1]);
  const double b = o.output_elements / n;
  return n * b + (3 * n - 1) * b + (b - 1) + 2 + 4 * n * b;
}

double product_bits(const Operation& o, const Widths& w) {
  const double factor = w.data_in * w.weight;
  const double additions = o.window > 0 ? o.window - 1 : 0;
  return o.output_elements * (o.window * factor + additions * factor + (o.has_bias ? w.bias : 0));
}

[[maybe_unused]] const bool flops_registered = registry().add(
    "flops_arithmetic", {"FLOPs",
                         "batch norm as in training, for n features of b values: n b + (3n-1) b + (b-1) + 2 + 4 n b; "
                         "linear, convolution and "
                         "matrix product one per multiplication; the rest as 'flops'; float and quantized nodes alike",
                         work,
                         {{"batch_norm1d", batch_norm}, {"batch_norm2d", batch_norm}}});

[[maybe_unused]] const bool bitops_registered = registry().add(
    "bitops_arithmetic", {"BitOPs",
                          "for each output of a linear layer, convolution or matrix product of k terms, with inputs of "
                          "d and weights of w bits: "
                          "k d w + (k-1) d w + bits of the bias (float: 32); nothing for other operations",
                          nothing, for_products(product_bits)});

}  // namespace
}  // namespace chop::cost
