#include "chop/cost/model.h"

namespace chop::cost {
namespace {

double bytes(const Operation& o, const Widths& w) { return o.output_elements * w.result / 8; }

[[maybe_unused]] const bool registered =
    registry().add("activation_memory", {"bytes",
                                         "the input and the results of all operations held at once, packed, each at "
                                         "the largest width at which an operation "
                                         "reads it (float: 32 bits, the output too); views hold nothing",
                                         bytes});

}  // namespace
}  // namespace chop::cost
