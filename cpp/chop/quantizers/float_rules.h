// Rules that several formats share: floats of some bits, powers of two, and the shared scales of the OCP MX formats.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <optional>

#include "chop/quantizers/value_format.h"

namespace chop::quantizers {

inline constexpr int kHugeExponent = 100000;

// floor(log2 x) of a positive x; an infinity lies above every exponent.
inline int exponent_of(double x) { return std::isinf(x) ? kHugeExponent : std::ilogb(x); }

// A parameter as a whole number, whatever it was: operators are called with anything.
inline int whole(double number) {
  return std::isnan(number) ? 0 : static_cast<int>(std::clamp(number, -kHugeExponent * 1.0, kHugeExponent * 1.0));
}

// 2^exponent, 0 or infinite beyond double.
inline double power(double exponent) {
  const int e = whole(exponent);
  if (e < -1022 || e > 1023) return std::ldexp(1.0, e);
  return std::bit_cast<double>(static_cast<uint64_t>(e + 1023) << 52);
}

// Floats with `bits` significant bits, the smallest step 2^step, and no number above `largest` (on the grid, but maybe
// beyond the type: then the largest one that the type holds counts).
inline NumberRule float_rule(int bits, double step, double largest, const RealType& type) {
  NumberRule rule;
  rule.kind = RuleKind::significant;
  rule.bits = bits;
  rule.lowest = power(step + bits - 1);
  rule.magic = 1.5 * power(53 - bits);
  rule.largest = largest;
  const double end = power(type.top) * 2.0;  // infinite for double
  if (largest >= end || std::isinf(largest)) {
    const double spacing = std::fmax(type.top - bits + 1.0, step);
    rule.largest = spacing > type.top ? 0.0 : (power(type.top - spacing) * 2.0 - 1.0) * power(spacing);
  }
  return rule;
}

// A float's numbers, width, exponent_width and exponent_bias, with or without a hidden bit; subnormals, no infinities.
template <bool hidden>
struct SmallFloat {
  int m;
  double bias, top;
  explicit SmallFloat(const double* n) : m(whole(n[0] - n[1]) - 1), bias(n[2]), top(power(n[1]) - 1.0 - n[2]) {}
  double largest() const { return power(top) * ((hidden ? 2.0 : 1.0) - power(-m)); }
  double step() const { return (hidden ? 1.0 : 0.0) - bias - m; }

  static NumberRule rule(const double* numbers, const BlockFacts&, const RealType& type) {
    const SmallFloat n(numbers);
    return float_rule(n.m + (hidden ? 1 : 0), n.step(), n.largest(), type);
  }

  static std::optional<ValueGrid> grid(const double* numbers) {
    const SmallFloat n(numbers);
    return ValueGrid{whole(n.step()), n.largest()};
  }
};

inline NumberRule power_rule(double lowest, double highest, const RealType& type) {
  NumberRule rule;
  rule.kind = RuleKind::power_of_two;
  rule.lowest = power(std::fmin(lowest, type.top));
  rule.largest = power(std::fmin(highest, type.top));
  return rule;
}

// MX, OCP v1.0: the shared exponent of a block, of an element format whose largest number lies in [2^emax, 2^(emax+1)).
inline int mx_exponent(double largest, int emax) {
  constexpr int kMost = 127;  // of E8M0
  return largest == 0.0 ? -kMost : std::clamp(exponent_of(largest) - emax, -kMost, kMost);
}

// Elements with m mantissa bits, exponents from 1 - bias on, subnormals, and `largest`.
inline NumberRule mx_float_rule(int m, int bias, double largest, int emax, const BlockFacts& facts,
                                const RealType& type) {
  const int shared = mx_exponent(facts.largest, emax);
  return float_rule(m + 1, shared + 1 - bias - m, std::ldexp(largest, shared), type);
}

}  // namespace chop::quantizers
