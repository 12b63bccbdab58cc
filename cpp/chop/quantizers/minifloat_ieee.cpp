// Small floats with subnormals, without infinities and NaN: the top exponent is an ordinary one.
#include "chop/quantizers/float_rules.h"

namespace chop::quantizers {
namespace {

using Format = SmallFloat<true>;

[[maybe_unused]] const bool registered =
    value_formats().add("minifloat_ieee", {3, kNothing, false, Format::rule, Format::grid});

}  // namespace
}  // namespace chop::quantizers
