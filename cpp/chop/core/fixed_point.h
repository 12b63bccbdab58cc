// The only definition of the fixed-point format: width, fraction width and sign give range and scale.
#pragma once

#include <cmath>
#include <cstdint>

#include "chop/core/check.h"

namespace chop {

struct FixedPoint {
  int width = 8;
  int frac_width = 4;
  bool is_signed = true;

  // Codes are integers; a code c stands for c * 2^-frac_width. Doubles hold every bound exactly.
  double qmin() const { return is_signed ? -std::ldexp(1.0, width - 1) : 0.0; }
  double qmax() const { return std::ldexp(1.0, is_signed ? width - 1 : width) - 1.0; }
  double scale() const { return std::ldexp(1.0, -frac_width); }
  double inverse_scale() const { return std::ldexp(1.0, frac_width); }
  double largest_code() const { return std::fmax(-qmin(), qmax()); }

  bool operator==(const FixedPoint&) const = default;
};

inline constexpr int kMaxWidth = 32;
inline constexpr int kMaxFracWidth = 64;

inline FixedPoint make_fixed_point(int64_t width, int64_t frac_width, bool is_signed) {
  check(width >= 1 && width <= kMaxWidth, "integer format: width must be 1..32, got ", width);
  check(frac_width >= -kMaxFracWidth && frac_width <= kMaxFracWidth, "integer format: frac_width must be -64..64, got ",
        frac_width);
  return {static_cast<int>(width), static_cast<int>(frac_width), is_signed};
}

}  // namespace chop
