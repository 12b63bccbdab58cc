#include "chop/cost/model.h"

namespace chop::cost {
namespace {

double parameters(const Operation& o, const Widths&) { return o.weights + o.biases; }

[[maybe_unused]] const bool registered =
    registry().add("parameters", {"numbers",
                                  "learnable weights and biases, shared ones once; running statistics are not counted",
                                  parameters, sum, false, false});

}  // namespace
}  // namespace chop::cost
