// Additions and multiplications counted one by one, batch norm as it computes in training.
#include <algorithm>

#include "chop/cost/model.h"

namespace chop::cost {
namespace {

// n features of b values each: mean, variance, its square root and inverse, then four operations per element.
double flops(const Operation& o, const Widths&) {
  if (o.features == 0) return o.work;
  const double n = o.features, b = o.output_elements / n;
  return n * b + (3 * n - 1) * b + (b - 1) + 2 + 4 * n * b;
}

double bitops(const Operation& o, const Widths& w) {
  const double factor = w.joint ? w.joint->width : w.data_in.width * w.weight.width;
  double bits = 0;
  for (const Product& p : o.products) {
    const double additions = std::max(p.macs - p.outputs, 0.0);
    bits += (p.macs + additions) * factor + (p.biased ? p.outputs * w.bias.width : 0);
  }
  return bits;
}

[[maybe_unused]] const bool flops_registered = registry().add(
    "flops_arithmetic", {"FLOPs",
                         "batch norm as in training, for n features of b values: n b + (3n-1) b + (b-1) + 2 + 4 n b; "
                         "linear, convolution and "
                         "matrix product one per multiplication; the rest as 'flops'; float and quantized nodes alike",
                         flops});

[[maybe_unused]] const bool bitops_registered = registry().add(
    "bitops_arithmetic", {"BitOPs",
                          "for each output of a linear layer, convolution or matrix product of k terms, with inputs of "
                          "d and weights of w bits: "
                          "k d w + (k-1) d w + bits of the bias (float: 32); nothing for other operations",
                          bitops});

}  // namespace
}  // namespace chop::cost
