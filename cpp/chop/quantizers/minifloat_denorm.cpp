// Small floats without a hidden bit: 2^(E - bias) * f / 2^m.
#include "chop/quantizers/float_rules.h"

namespace chop::quantizers {
namespace {

using Format = SmallFloat<false>;

[[maybe_unused]] const bool registered =
    value_formats().add("minifloat_denorm", {3, kNothing, false, Format::rule, Format::grid});

}  // namespace
}  // namespace chop::quantizers
