// MASE's work, and one addition for each output of a layer with a bias.
#include "chop/cost/model.h"

namespace chop::cost {
namespace {

double work(const Operation& o) {
  double work = o.work;
  for (const Product& p : o.products) work += p.biased ? p.outputs : 0;
  return work;
}

double flops(const Operation& o, const Widths& w) { return w.quantized ? 0 : work(o); }
double bitops(const Operation& o, const Widths& w) { return work(o) * w.data_in.width; }

[[maybe_unused]] const bool flops_registered = registry().add(
    "flops_with_bias",
    {"FLOPs", "as 'flops', plus one per output of a linear layer, convolution or other product that has a bias",
     flops});

[[maybe_unused]] const bool bitops_registered = registry().add(
    "bitops_with_bias", {"BitOPs",
                         "the work that 'flops_with_bias' counts, on float and quantized nodes, times the bits "
                         "of the input (float: 32)",
                         bitops});

}  // namespace
}  // namespace chop::cost
