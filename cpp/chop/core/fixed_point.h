// The only definition of the fixed-point format: width, fraction width and sign give range and scale, the modes say how
// numbers get there.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <string>

#include "chop/core/check.h"
#include "chop/core/fixed_point_modes.h"

namespace chop {

// In the order of the enums.
inline constexpr std::array<const char*, 3> kRoundingModes{"half_even", "floor", "half_up"};
inline constexpr std::array<const char*, 2> kOverflowModes{"saturate", "wrap"};

struct FixedPoint {
  int width = 8;
  int frac_width = 4;
  bool is_signed = true;
  RoundingMode rounding = RoundingMode::half_even;
  OverflowMode overflow = OverflowMode::saturate;

  // Codes are integers; a code c stands for c * 2^-frac_width. Doubles hold every bound exactly.
  double qmin() const { return is_signed ? -std::ldexp(1.0, width - 1) : 0.0; }
  double qmax() const { return std::ldexp(1.0, is_signed ? width - 1 : width) - 1.0; }
  double scale() const { return std::ldexp(1.0, -frac_width); }
  double inverse_scale() const { return std::ldexp(1.0, frac_width); }
  double modulus() const { return std::ldexp(1.0, width); }  // codes that there are
  double largest_code() const { return std::fmax(-qmin(), qmax()); }

  bool operator==(const FixedPoint&) const = default;
};

inline constexpr int kMaxWidth = 32;
inline constexpr int kMaxFracWidth = 64;

inline FixedPoint make_fixed_point(int64_t width, int64_t frac_width, bool is_signed,
                                   RoundingMode rounding = RoundingMode::half_even,
                                   OverflowMode overflow = OverflowMode::saturate) {
  check(width >= 1 && width <= kMaxWidth, "integer format: width must be 1..32, got ", width);
  check(frac_width >= -kMaxFracWidth && frac_width <= kMaxFracWidth, "integer format: frac_width must be -64..64, got ",
        frac_width);
  return {static_cast<int>(width), static_cast<int>(frac_width), is_signed, rounding, overflow};
}

template <class Mode, size_t count>
Mode mode_of_name(const char* field, const std::array<const char*, count>& names, const std::string& name) {
  std::string known;
  for (size_t i = 0; i < count; ++i) {
    if (name == names[i]) return static_cast<Mode>(i);
    known += std::string(i ? ", " : "") + names[i];
  }
  fail("integer format: ", field, " must be one of ", known, ", got '", name, "'");
}

inline RoundingMode rounding_mode(const std::string& name) {
  return mode_of_name<RoundingMode>("rounding", kRoundingModes, name);
}
inline OverflowMode overflow_mode(const std::string& name) {
  return mode_of_name<OverflowMode>("overflow", kOverflowModes, name);
}

// The operators take a mode as its place in the list of names.
template <class Mode, size_t count>
Mode mode_of_number(const char* field, const std::array<const char*, count>& names, int64_t number) {
  if (number >= 0 && number < static_cast<int64_t>(count)) return static_cast<Mode>(number);
  std::string known;
  for (size_t i = 0; i < count; ++i) known += (i ? ", " : "") + std::to_string(i) + " (" + names[i] + ")";
  fail("integer format: ", field, " must be ", known, ", got ", number);
}

inline RoundingMode rounding_mode(int64_t number) {
  return mode_of_number<RoundingMode>("rounding", kRoundingModes, number);
}
inline OverflowMode overflow_mode(int64_t number) {
  return mode_of_number<OverflowMode>("overflow", kOverflowModes, number);
}

}  // namespace chop
