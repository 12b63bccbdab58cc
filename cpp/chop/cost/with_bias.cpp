// MASE's work, and one addition for each output of a layer with a bias.
#include "chop/cost/model.h"

namespace chop::cost {
namespace {

double additions(const Operation& o) { return o.has_bias ? o.output_elements : 0; }

double flops(const Operation& o, const Widths& w) { return w.quantized ? 0 : o.work; }
double bitops(const Operation& o, const Widths& w) { return o.work * w.data_in; }
double flops_of_layer(const Operation& o, const Widths& w) { return w.quantized ? 0 : o.work + additions(o); }
double bitops_of_layer(const Operation& o, const Widths& w) { return (o.work + additions(o)) * w.data_in; }

[[maybe_unused]] const bool flops_registered = registry().add(
    "flops_with_bias", {"FLOPs", "as 'flops', plus one per output of a linear layer or convolution that has a bias",
                        flops, for_products(flops_of_layer)});

[[maybe_unused]] const bool bitops_registered = registry().add(
    "bitops_with_bias", {"BitOPs",
                         "the work that 'flops_with_bias' counts, on float and quantized nodes, times the bits "
                         "of the input (float: 32)",
                         bitops, for_products(bitops_of_layer)});

}  // namespace
}  // namespace chop::cost
