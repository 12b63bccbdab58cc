// Integer formats as Python hands them over: (width, frac_width, is_signed, rounding, overflow).
#pragma once

#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "chop/core/element_format.h"

namespace chop::bindings {

// Widths and fraction widths are numbers, or lists with one for each element.
using OneFormat = std::tuple<int, int, bool, std::string, std::string>;
using EachFormat = std::tuple<std::vector<int>, std::vector<int>, bool, std::string, std::string>;
using PyFormat = std::variant<OneFormat, EachFormat>;

inline FixedPoint to_format(const OneFormat& f) {
  const auto& [width, frac_width, is_signed, rounding, overflow] = f;
  return make_fixed_point(width, frac_width, is_signed, rounding_mode(rounding), overflow_mode(overflow));
}

inline ElementFormats to_formats(const EachFormat& f) {
  const auto& [widths, frac_widths, is_signed, rounding, overflow] = f;
  return make_element_formats(widths, frac_widths, is_signed, rounding_mode(rounding), overflow_mode(overflow));
}

}  // namespace chop::bindings
