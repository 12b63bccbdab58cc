// How a plan brings values onto the grids of operands.
#include "chop/core/check.h"
#include "chop/evaluator/element_codes.h"
#include "chop/evaluator/plan_builder.h"
#include "chop/evaluator/plan_key.h"
#include "chop/quantizers/quantizer.h"

namespace chop::evaluator {

using ir::Node;

void PlanBuilder::round(Value* value, const NodeFormat& format, const FixedPoint& grid, Rounding rounding) {
  const quantizers::Quantizer& quantizer = quantizers::registry().get(format.quantizer);
  if (value->pending.rounding != Rounding::none) settle(value);
  value->open = true;
  value->pending.rounding = rounding;
  value->pending.grid = quantizer.grid(grid);
  value->key.insert(value->key.end(),
                    {kRounded, static_cast<int64_t>(rounding), reinterpret_cast<intptr_t>(&quantizer)});
  append(&value->key, &grid);
  value->range = rounded(value->range, grid);
}

void PlanBuilder::round_rows(Value* value, const NodeFormat& format, const ElementFormats& rows, const FixedPoint& grid,
                             Rounding rounding) {
  check(quantizers::registry().get(format.quantizer).values_each, "evaluator: node ", format.node, ": the quantizer ",
        format.quantizer, " has no formats for single elements");
  const Range range = rounded(value->range, rows);
  Key key{kElements};
  append(&key, rows);
  const int from = settle(value);
  value->block = push(key, {from}, [&] { return std::make_shared<ElementGridStep>(rows); });
  if (rounding == Rounding::codes) round(value, format, grid, rounding);
  value->range = range;
}

void PlanBuilder::round_data(Value* value, const Node& node, const NodeFormat& format, const std::string& operand) {
  const FixedPoint* grid = format.operand(operand);
  if (!grid) return;
  const ElementFormats* each = format.each(operand);
  const ElementFormats rows = each ? row_formats(*each, value->channels, value->places, format) : ElementFormats();
  if (observed_) observed_->push_back({&node, nullptr, nullptr, format, *grid, rows, value->rows(), settle(value)});
  each ? round_rows(value, format, rows, *grid, Rounding::values) : round(value, format, *grid, Rounding::values);
}

}  // namespace chop::evaluator
