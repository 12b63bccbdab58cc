#include "chop/evaluator/element_codes.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "chop/core/check.h"
#include "chop/kernels/grid.h"
#include "chop/quantizers/quantizer.h"

namespace chop::evaluator {
namespace {

ElementFormats by_row(const ElementFormats& formats, int channels, const NodeFormat& format, int rows,
                      int (*channel_of)(int row, int channels, int places), int places) {
  check(static_cast<int>(formats.size()) == channels, "evaluator: node ", format.node, ": data_in has ", channels,
        " features, got formats for ", formats.size());
  ElementFormats found;
  for (int row = 0; row < rows; ++row) found.push_back(formats[static_cast<size_t>(channel_of(row, channels, places))]);
  return found;
}

int channel_first(int row, int, int places) { return row / places; }
int channel_last(int row, int channels, int) { return row % channels; }

}  // namespace

ElementFormats parameter_formats(const ElementFormats& formats, size_t count, size_t outputs, const NodeFormat& format,
                                 const char* operand) {
  check(formats.size() == count || formats.size() == outputs, "evaluator: node ", format.node, ": ", operand, " has ",
        count, " numbers for ", outputs, " outputs, got formats for ", formats.size());
  const size_t part = count / formats.size();
  ElementFormats found;
  for (size_t i = 0; i < count; ++i) found.push_back(formats[i / part]);
  return found;
}

std::vector<double> element_codes(const std::vector<float>& values, const ElementFormats& formats,
                                  const NodeFormat& format, const FixedPoint& common) {
  const quantizers::Quantizer& quantizer = quantizers::registry().get(format.quantizer);
  check(quantizer.values_each, "evaluator: node ", format.node, ": the quantizer ", format.quantizer,
        " has no formats for single elements");
  std::vector<float> on_grid(values.size());
  const ElementGrids<float> grids(formats);
  quantizer.values_each(values.data(), on_grid.data(), static_cast<int64_t>(values.size()), grids.from());
  std::vector<double> codes(on_grid.begin(), on_grid.end());
  for (double& code : codes) code *= common.inverse_scale();
  return codes;
}

double largest_code(const FixedPoint& element, const FixedPoint& common) {
  return element.width == 0 ? 0.0 : std::ldexp(element.largest_code(), common.frac_width - element.frac_width);
}

ElementFormats row_formats(const ElementFormats& formats, const Window& window, const NodeFormat& format) {
  return by_row(formats, window.channels, format, window.channels * window.places_in,
                window.channels_last ? channel_last : channel_first, window.places_in);
}

ElementFormats row_formats(const ElementFormats& formats, int channels, int places, const NodeFormat& format) {
  return by_row(formats, channels, format, channels * places, channel_first, places);
}

Range rounded(const Range& input, const ElementFormats& formats) {
  double largest = 0.0, coarsest = 0.0;
  bool nonnegative = true;
  for (const FixedPoint& f : formats) {
    if (f.width == 0) continue;
    largest = std::fmax(largest, f.largest_code() * f.scale());
    coarsest = std::fmax(coarsest, f.scale());
    nonnegative = nonnegative && (!f.is_signed || (input.nonnegative && f.overflow == OverflowMode::saturate));
  }
  Range range = input;
  if (range.finite()) range.limit = std::fmin(range.limit + coarsest, largest);
  range.nonnegative = nonnegative;
  return range;
}

ElementGridStep::ElementGridStep(const ElementFormats& rows) : Step(static_cast<int>(rows.size())) {
  for (int row = 0; row < groups(); ++row) {
    const FixedPoint& f = rows[static_cast<size_t>(row)];
    if (row > 0 && f == rows[static_cast<size_t>(row) - 1]) {
      ++runs_.back().count;
      continue;
    }
    Run run{row, 1, f.width == 0, {}};
    run.op.rounding = Rounding::values;
    if (!run.none) run.op.grid = grid_of<GridF32>(f);
    runs_.push_back(run);
  }
}

void ElementGridStep::run(const void* const* in, void* out) const {
  const auto* x = static_cast<const float*>(in[0]);
  auto* y = static_cast<float*>(out);
  for (const Run& run : runs_) {
    const int64_t at = int64_t{run.first} * kBlock;
    if (run.none) {
      std::memset(y + at, 0, static_cast<size_t>(run.count) * kGroupBytes);
    } else {
      kernels().elementwise(run.op, x + at, y + at, run.count);
    }
  }
}

}  // namespace chop::evaluator
