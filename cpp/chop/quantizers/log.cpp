// Powers of two with a sign and without a zero; the logarithm is rounded.
#include "chop/quantizers/float_rules.h"

namespace chop::quantizers {
namespace {

// width, exponent_bias
double highest(const double* n) { return power(n[0] - 1.0) - 1.0 - n[1]; }

NumberRule rule(const double* numbers, const BlockFacts&, const RealType& type) {
  return power_rule(-numbers[1], highest(numbers), type);
}

std::optional<ValueGrid> grid(const double* numbers) { return ValueGrid{whole(-numbers[1]), power(highest(numbers))}; }

[[maybe_unused]] const bool registered = value_formats().add("log", {2, kNothing, false, rule, grid});

}  // namespace
}  // namespace chop::quantizers
