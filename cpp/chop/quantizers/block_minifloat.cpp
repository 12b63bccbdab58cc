// Small floats whose exponent bias is shared by a block.
#include "chop/quantizers/float_rules.h"

namespace chop::quantizers {
namespace {

// width, exponent_width, exponent_bias_width
NumberRule rule(const double* n, const BlockFacts& facts, const RealType& type) {
  const int m = whole(n[0] - n[1]) - 1;
  const double top = power(n[1]) - 1.0, most = power(n[2]) - 1.0;
  const double wanted = facts.largest == 0.0 ? most : top - exponent_of(facts.largest);
  const double bias = std::fmin(std::fmax(wanted, 0.0), most);
  return float_rule(m + 1, 1.0 - bias - m, power(top - bias) * (2.0 - power(-m)), type);
}

// Of all blocks, whatever their bias.
std::optional<ValueGrid> grid(const double* n) {
  const int m = whole(n[0] - n[1]) - 1;
  return ValueGrid{whole(2.0 - power(n[2]) - m), power(power(n[1]) - 1.0) * (2.0 - power(-m))};
}

[[maybe_unused]] const bool registered = value_formats().add("block_minifloat", {3, kExponent, false, rule, grid});

}  // namespace
}  // namespace chop::quantizers
