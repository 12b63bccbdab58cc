// MXFP8 of OCP MX v1.0 with elements E4M3: up to 448, since the code above it is NaN.
#include "chop/quantizers/float_rules.h"

namespace chop::quantizers {
namespace {

NumberRule rule(const double*, const BlockFacts& facts, const RealType& type) {
  constexpr int kMantissa = 3, kBias = 7, kTopExponent = 8;
  return mx_float_rule(kMantissa, kBias, 448.0, kTopExponent, facts, type);
}

[[maybe_unused]] const bool registered = value_formats().add("mxfp8_e4m3", {0, kExponent, false, rule});

}  // namespace
}  // namespace chop::quantizers
