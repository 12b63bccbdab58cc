// Formats as Python hands them over; fixed-point ones: (width, frac_width, is_signed, rounding, overflow).
#pragma once

#include <memory>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "chop/core/check.h"
#include "chop/core/element_format.h"
#include "chop/quantizers/value_format.h"

namespace chop::bindings {

// Widths and fraction widths are numbers, or lists with one for each element.
using OneFormat = std::tuple<int, int, bool, std::string, std::string>;
using EachFormat = std::tuple<std::vector<int>, std::vector<int>, bool, std::string, std::string>;
// A format that is no fixed-point grid: (name, numbers, block_size, first_dim).
using PyValueFormat = std::tuple<std::string, std::vector<double>, std::vector<int64_t>, int>;
using PyOperand = std::variant<OneFormat, EachFormat, PyValueFormat>;

inline std::shared_ptr<const quantizers::BoundFormat> to_bound(const PyValueFormat& f) {
  const auto& [name, numbers, block_size, first] = f;
  const quantizers::ValueFormat& format = quantizers::value_formats().get(name);
  quantizers::check_numbers(format, numbers.size());
  check(first >= 0 && first <= 3, "number format: first_dim must be 0..3, got ", first);
  return std::make_shared<const quantizers::BoundFormat>(
      quantizers::BoundFormat{name, &format, numbers, block_size, static_cast<quantizers::FirstDim>(first)});
}

inline FixedPoint to_format(const OneFormat& f) {
  const auto& [width, frac_width, is_signed, rounding, overflow] = f;
  return make_fixed_point(width, frac_width, is_signed, rounding_mode(rounding), overflow_mode(overflow));
}

inline ElementFormats to_formats(const EachFormat& f) {
  const auto& [widths, frac_widths, is_signed, rounding, overflow] = f;
  return make_element_formats(widths, frac_widths, is_signed, rounding_mode(rounding), overflow_mode(overflow));
}

}  // namespace chop::bindings
