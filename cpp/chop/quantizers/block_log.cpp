// Powers of two whose exponent bias is shared by a block.
#include "chop/quantizers/float_rules.h"

namespace chop::quantizers {
namespace {

// ceil(log2 x)
int exponent_above(double x) {
  const int exponent = exponent_of(x);
  return exponent == kHugeExponent || std::ldexp(1.0, exponent) == x ? exponent : exponent + 1;
}

// width, exponent_bias_width
NumberRule rule(const double* n, const BlockFacts& facts, const RealType& type) {
  const double top = power(n[0] - 1.0) - 1.0, most = power(n[1]) - 1.0;
  const double wanted = facts.largest == 0.0 ? most : top - exponent_above(facts.largest);
  const double bias = std::fmin(std::fmax(wanted, 0.0), most);
  return power_rule(-bias, top - bias, type);
}

// Of all blocks, whatever their bias.
std::optional<ValueGrid> grid(const double* n) {
  return ValueGrid{whole(1.0 - power(n[1])), power(power(n[0] - 1.0) - 1.0)};
}

[[maybe_unused]] const bool registered = value_formats().add("block_log", {2, kExponent, false, rule, grid});

}  // namespace
}  // namespace chop::quantizers
