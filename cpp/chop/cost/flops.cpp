#include "chop/cost/model.h"

namespace chop::cost {
namespace {

double flops(const Operation& o, const Widths& w) { return w.quantized ? 0 : o.work; }

[[maybe_unused]] const bool registered = registry().add(
    "flops",
    {"FLOPs",
     "work on float inputs, as MASE counts it: linear, convolution and matrix product one per multiplication (no "
     "bias), "
     "batch norm 4, layer norm, group norm and softmax 5, other elementwise operations 1 per element, pools one per "
     "element of each window; a quantized node counts for none",
     flops,
     {}});

}  // namespace
}  // namespace chop::cost
