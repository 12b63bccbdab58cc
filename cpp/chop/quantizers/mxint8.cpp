// MXINT8 of OCP MX v1.0: two's complement codes in units of 2^-6.
#include "chop/quantizers/float_rules.h"

namespace chop::quantizers {
namespace {

NumberRule rule(const double*, const BlockFacts& facts, const RealType&) {
  const int shared = mx_exponent(facts.largest, 0) - 6;
  NumberRule rule;
  rule.step = power(shared);
  rule.inverse = power(-shared);
  // The standard allows -128 and lets implementations leave it out, for symmetry; x / X stays above -128.
  rule.low = -128.0;
  rule.high = 127.0;
  return rule;
}

[[maybe_unused]] const bool registered = value_formats().add("mxint8", {0, kExponent, false, rule});

}  // namespace
}  // namespace chop::quantizers
