// Block floating point: magnitudes of some bits and a sign, one exponent for a block.
#include "chop/quantizers/float_rules.h"

namespace chop::quantizers {
namespace {

// width, exponent_width, exponent_bias
NumberRule rule(const double* n, const BlockFacts& facts, const RealType&) {
  const double bits = n[0] - 1.0, lowest = -n[2], highest = power(n[1]) - 1.0 - n[2];
  const double above = facts.largest == 0.0 ? lowest : exponent_of(facts.largest) + 1.0;
  const double shared = std::fmin(std::fmax(above, lowest), highest);
  NumberRule rule;
  rule.step = power(shared - bits);
  rule.inverse = power(bits - shared);
  // Beyond the ends of double a quotient is still right where a product is not.
  rule.kind = std::isinf(rule.inverse) || rule.inverse == 0.0 ? RuleKind::scaled : RuleKind::steps;
  rule.high = power(bits) - 1.0;
  rule.low = -rule.high;
  return rule;
}

// Of all blocks, whatever their exponent.
std::optional<ValueGrid> grid(const double* n) {
  const double bits = n[0] - 1.0, highest = power(n[1]) - 1.0 - n[2];
  return ValueGrid{whole(-n[2] - bits), (power(bits) - 1.0) * power(highest - bits)};
}

[[maybe_unused]] const bool registered = value_formats().add("block_fp", {3, kExponent, false, rule, grid});

}  // namespace
}  // namespace chop::quantizers
