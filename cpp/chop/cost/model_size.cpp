#include "chop/cost/model.h"

namespace chop::cost {
namespace {

double bytes(const Operation& o, const Widths& w) { return (o.weights * w.weight + o.biases * w.bias) / 8; }

[[maybe_unused]] const bool registered = registry().add(
    "model_size", {"bytes",
                   "learnable weights and biases at their widths, packed (float: 32 bits), shared ones once; "
                   "running statistics are not counted",
                   bytes,
                   {}});

}  // namespace
}  // namespace chop::cost
