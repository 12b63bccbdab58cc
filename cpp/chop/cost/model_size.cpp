#include "chop/cost/model.h"

namespace chop::cost {
namespace {

double bytes(const Operation&, const Widths& w) { return w.stored / 8; }

[[maybe_unused]] const bool registered =
    registry().add("model_size", {"bytes",
                                  "learnable weights and biases at their widths, packed (float: 32 bits), shared ones "
                                  "once, at the largest width at which a node takes them; running statistics are not "
                                  "counted",
                                  bytes, sum, false, false});

}  // namespace
}  // namespace chop::cost
