// A fixed-point format for each element of an operand: each has a width and a fraction width of its own; sign and modes
// are the operand's. An element of width 0 is the constant 0.
#pragma once

#include <algorithm>
#include <vector>

#include "chop/core/fixed_point.h"

namespace chop {

using ElementFormats = std::vector<FixedPoint>;

inline FixedPoint make_element_format(int64_t width, int64_t frac_width, bool is_signed, RoundingMode rounding,
                                      OverflowMode overflow) {
  if (width != 0) return make_fixed_point(width, frac_width, is_signed, rounding, overflow);
  return {0, 0, is_signed, rounding, overflow};
}

// Lists of one length, not empty.
inline ElementFormats make_element_formats(const std::vector<int>& widths, const std::vector<int>& frac_widths,
                                           bool is_signed, RoundingMode rounding, OverflowMode overflow) {
  check(!widths.empty() && widths.size() == frac_widths.size(),
        "integer format: there must be as many widths as fraction widths, got ", widths.size(), " and ",
        frac_widths.size());
  ElementFormats formats;
  for (size_t i = 0; i < widths.size(); ++i)
    formats.push_back(make_element_format(widths[i], frac_widths[i], is_signed, rounding, overflow));
  return formats;
}

// The finest of the elements' grids with room for the codes of all: what lies on an element's own grid lies on this one
// too, so that nothing is rounded or clamped on the way. Its width may exceed kMaxWidth.
inline FixedPoint common_format(const ElementFormats& elements) {
  FixedPoint common{1, 0, elements.empty() || elements.front().is_signed};
  bool any = false;
  for (const FixedPoint& f : elements) {
    if (f.width == 0) continue;
    common.frac_width = any ? std::max(common.frac_width, f.frac_width) : f.frac_width;
    any = true;
  }
  for (const FixedPoint& f : elements)
    if (f.width > 0) common.width = std::max(common.width, f.width + common.frac_width - f.frac_width);
  return common;
}

}  // namespace chop
