// Small floats without a hidden bit: 2^(E - bias) * f / 2^m.
#include "chop/quantizers/float_rules.h"

namespace chop::quantizers {
namespace {

struct Numbers {  // width, exponent_width, exponent_bias
  int m;
  double bias, top;
  explicit Numbers(const double* n) : m(whole(n[0] - n[1]) - 1), bias(n[2]), top(power(n[1]) - 1.0 - n[2]) {}
  double largest() const { return power(top) * (1.0 - power(-m)); }
  double step() const { return -bias - m; }
};

NumberRule rule(const double* numbers, const BlockFacts&, const RealType& type) {
  const Numbers n(numbers);
  return float_rule(n.m, n.step(), n.largest(), type);
}

std::optional<ValueGrid> grid(const double* numbers) {
  const Numbers n(numbers);
  return ValueGrid{whole(n.step()), n.largest()};
}

[[maybe_unused]] const bool registered = value_formats().add("minifloat_denorm", {3, kNothing, false, rule, grid});

}  // namespace
}  // namespace chop::quantizers
