#include "chop/cost/model.h"

namespace chop::cost {
namespace {

double macs(const Operation& o, const Widths&) { return o.macs(); }

[[maybe_unused]] const bool registered =
    registry().add("macs", {"MACs",
                            "multiply-accumulates of linear, recurrent, bilinear and attention layers, convolutions "
                            "and matrix products; biases and all else count for none",
                            macs});

}  // namespace
}  // namespace chop::cost
