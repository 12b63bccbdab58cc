// MXFP6 of OCP MX v1.0 with elements E3M2: all codes are finite.
#include "chop/quantizers/float_rules.h"

namespace chop::quantizers {
namespace {

NumberRule rule(const double*, const BlockFacts& facts, const RealType& type) {
  constexpr int kMantissa = 2, kBias = 3, kTopExponent = 4;
  return mx_float_rule(kMantissa, kBias, 28.0, kTopExponent, facts, type);
}

[[maybe_unused]] const bool registered = value_formats().add("mxfp6_e3m2", {0, kExponent, false, rule});

}  // namespace
}  // namespace chop::quantizers
