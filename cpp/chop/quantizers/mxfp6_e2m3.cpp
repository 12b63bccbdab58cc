// MXFP6 of OCP MX v1.0 with elements E2M3: all codes are finite.
#include "chop/quantizers/float_rules.h"

namespace chop::quantizers {
namespace {

NumberRule rule(const double*, const BlockFacts& facts, const RealType& type) {
  constexpr int kMantissa = 3, kBias = 1, kTopExponent = 2;
  return mx_float_rule(kMantissa, kBias, 7.5, kTopExponent, facts, type);
}

[[maybe_unused]] const bool registered = value_formats().add("mxfp6_e2m3", {0, kExponent, false, rule});

}  // namespace
}  // namespace chop::quantizers
