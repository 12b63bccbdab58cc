// Operands whose elements have formats of their own: their numbers as codes of the operand's common grid.
#pragma once

#include <cstdint>
#include <vector>

#include "chop/evaluator/config.h"
#include "chop/evaluator/range.h"
#include "chop/evaluator/step.h"
#include "chop/evaluator/window.h"

namespace chop::evaluator {

// Common grids of more bits are left to sums of floats.
inline constexpr int kMostCommonBits = 64;

// A format for each number of a parameter, of which each output has as many: given are those, or one for each output.
// Throws std::invalid_argument, naming the node, for another number of formats.
ElementFormats parameter_formats(const ElementFormats& formats, size_t count, size_t outputs, const NodeFormat& format,
                                 const char* operand);

// Codes of the common grid, whole numbers in double; NaN stays NaN.
std::vector<double> element_codes(const std::vector<float>& values, const ElementFormats& formats,
                                  const NodeFormat& format, const FixedPoint& common);

// The largest |code| of an element, in units of the common grid.
double largest_code(const FixedPoint& element, const FixedPoint& common);

// The formats of the rows of a value, for a layer that reads it through a window, or for an operation by channel.
ElementFormats row_formats(const ElementFormats& formats, const Window& window, const NodeFormat& format);
ElementFormats row_formats(const ElementFormats& formats, int channels, int places, const NodeFormat& format);

Range rounded(const Range& input, const ElementFormats& formats);

// Brings each row of a block onto a grid of its own, as values.
class ElementGridStep : public Step {
 public:
  explicit ElementGridStep(const ElementFormats& rows);
  void run(const void* const* in, void* out) const override;

 private:
  struct Run {
    int first, count;
    bool none;  // width 0
    Elementwise op;
  };
  std::vector<Run> runs_;
};

}  // namespace chop::evaluator
