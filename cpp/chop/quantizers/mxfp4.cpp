// MXFP4 of OCP MX v1.0, elements E2M1: all codes are finite.
#include "chop/quantizers/float_rules.h"

namespace chop::quantizers {
namespace {

NumberRule rule(const double*, const BlockFacts& facts, const RealType& type) {
  constexpr int kMantissa = 1, kBias = 1, kTopExponent = 2;
  return mx_float_rule(kMantissa, kBias, 6.0, kTopExponent, facts, type);
}

[[maybe_unused]] const bool registered = value_formats().add("mxfp4", {0, kExponent, false, rule});

}  // namespace
}  // namespace chop::quantizers
