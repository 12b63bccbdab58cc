#include "chop/cost/model.h"

namespace chop::cost {
namespace {

double bitops(const Operation& o, const Widths& w) { return o.work * w.data_in.width; }

[[maybe_unused]] const bool registered = registry().add(
    "bitops",
    {"BitOPs",
     "the work that 'flops' counts, on float and quantized nodes, times the bits of the input (float: 32); no "
     "circuit's measure: it sees neither the bits of weights nor what a batch norm or a requantization takes",
     bitops});

}  // namespace
}  // namespace chop::cost
