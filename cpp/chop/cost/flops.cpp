#include "chop/cost/model.h"

namespace chop::cost {
namespace {

double flops(const Operation& o, const Widths& w) { return w.quantized ? 0 : o.work; }

[[maybe_unused]] const bool registered = registry().add(
    "flops",
    {"FLOPs",
     "work on float inputs, as MASE counts it: linear, convolution, attention and matrix product one per "
     "multiplication (no bias); batch norm and RMS norm 4, layer, group and instance norm and softmax 5, other "
     "elementwise operations 1 per element; reductions 1 per element read; pools, interpolations and bags of "
     "embeddings one per element of each window; recurrent layers their products and, per hidden unit and step, "
     "LSTM 9, GRU 7, RNN 1; a quantized node counts for none",
     flops});

}  // namespace
}  // namespace chop::cost
