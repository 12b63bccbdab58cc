// Integers times a scale that is any number: of the tensor, a channel, a row or a group.
#include "chop/quantizers/float_rules.h"

namespace chop::quantizers {
namespace {

// width, symmetric, power_of_two, scale (0: from the block), zero_point (where the scale is given)
NumberRule rule(const double* n, const BlockFacts& facts, const RealType&) {
  const bool symmetric = n[1] != 0.0;
  const double most = symmetric ? power(n[0] - 1.0) - 1.0 : power(n[0]) - 1.0;
  const double least = symmetric ? -most : 0.0;
  double zero = n[3] != 0.0 ? n[4] : 0.0;
  NumberRule rule;
  rule.kind = RuleKind::scaled;
  rule.step = n[3];
  if (n[3] == 0.0) {
    const double span = symmetric ? facts.largest : facts.high - facts.low;
    rule.step = span / most;
    if (n[2] != 0.0 && rule.step > 0.0) {
      int exponent = 0;
      const double fraction = std::frexp(rule.step, &exponent);
      rule.step = std::ldexp(1.0, fraction == 0.5 ? exponent - 1 : exponent);
    }
    if (!(rule.step > 0.0)) rule.step = 1.0;
    if (!symmetric) zero = std::fmin(std::nearbyint(-facts.low / rule.step), most);
  }
  rule.low = least - zero;
  rule.high = most - zero;
  return rule;
}

std::optional<ValueGrid> grid(const double* n) {
  // A given scale that is a power of two.
  int exponent = 0;
  if (n[3] == 0.0 || std::frexp(n[3], &exponent) != 0.5) return std::nullopt;
  const double most = n[1] != 0.0 ? power(n[0] - 1.0) - 1.0 : power(n[0]) - 1.0 + std::fabs(n[4]);
  return ValueGrid{exponent - 1, most * n[3]};
}

double part_of_largest(const double* n) {
  return n[1] != 0.0 && n[2] == 0.0 && n[3] == 0.0 ? power(n[0] - 1.0) - 1.0 : 0.0;
}

[[maybe_unused]] const bool registered =
    value_formats().add("scale_integer", {5, kLargest | kEnds, false, rule, grid, part_of_largest});

}  // namespace
}  // namespace chop::quantizers
