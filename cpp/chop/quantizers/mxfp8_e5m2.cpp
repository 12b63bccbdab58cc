// MXFP8 of OCP MX v1.0 with elements E5M2: up to 57344, above which lie infinity and NaN.
#include "chop/quantizers/float_rules.h"

namespace chop::quantizers {
namespace {

NumberRule rule(const double*, const BlockFacts& facts, const RealType& type) {
  constexpr int kMantissa = 2, kBias = 15, kTopExponent = 15;
  return mx_float_rule(kMantissa, kBias, 57344.0, kTopExponent, facts, type);
}

[[maybe_unused]] const bool registered = value_formats().add("mxfp8_e5m2", {0, kExponent, false, rule});

}  // namespace
}  // namespace chop::quantizers
