// How a plan brings values onto the grids of operands.
#include <algorithm>
#include <cmath>

#include "chop/core/check.h"
#include "chop/evaluator/element_codes.h"
#include "chop/evaluator/plan_builder.h"
#include "chop/evaluator/plan_key.h"
#include "chop/evaluator/value_step.h"
#include "chop/quantizers/quantizer.h"

namespace chop::evaluator {

using ir::Node;

namespace {

constexpr float kCap = 6.0f;  // of ReLU6

}  // namespace

void PlanBuilder::round(Value* value, const NodeFormat& format, const FixedPoint& grid, Rounding rounding) {
  const quantizers::Quantizer& quantizer = quantizers::registry().get(format.quantizer);
  const GridF32 steps = quantizer.grid(grid);
  const bool usual = steps.rounding == RoundingMode::half_even && steps.overflow == OverflowMode::saturate;
  if (value->pending.rounding != Rounding::none || (value->capped >= 0 && !usual)) settle(value);
  value->open = true;
  value->pending.rounding = rounding;
  value->pending.grid = steps;
  if (value->capped >= 0) {  // rounding keeps the order, so the cap becomes the largest code
    value->pending.grid.qmax = std::fmin(steps.qmax, std::nearbyint(kCap * steps.inverse_step));
    value->capped = -1;
  }
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
  value->block = push(
      key, {from}, [&] { return std::make_shared<ElementGridStep>(rows); }, stage(*value));
  if (rounding == Rounding::codes) round(value, format, grid, rounding);
  value->range = range;
}

void PlanBuilder::relu6(const Node& node, size_t index, const NodeFormat* format) {
  Value value = taken(input(node, 0));
  if (format) round_data(&value, node, *format, node.op->operands.front());
  if (value.pending.rounding != Rounding::none || value.capped >= 0) settle(&value);
  value.open = true;
  value.pending.relu = true;
  value.capped = static_cast<int>(index);
  value.key.insert(value.key.end(), {kCapped, static_cast<int64_t>(index)});
  value.range = range_after(node, {value.range});
  values_.push_back(std::move(value));
}

void PlanBuilder::cap(Value* value) {
  Node of_rows = planner_.graph_.nodes()[static_cast<size_t>(value->capped)];
  of_rows.shape = {ir::kBatch, value->channels, value->places};
  value->block = push(
      {kFloatOp, value->capped, value->channels, value->places}, {value->block},
      [&] { return float_ops().get("relu6").make(of_rows, {&of_rows}); }, stage(*value));
  value->capped = -1;
}

void PlanBuilder::round_data(Value* value, const Node& node, const NodeFormat& format, const std::string& operand) {
  const FixedPoint* grid = format.operand(operand);
  if (!grid) return;
  const ElementFormats* each = format.each(operand);
  const ElementFormats rows = each ? row_formats(*each, value->channels, value->places, format) : ElementFormats();
  if (observed_) observed_->push_back({&node, nullptr, nullptr, format, *grid, rows, value->rows(), settle(value)});
  each ? round_rows(value, format, rows, *grid, Rounding::values) : round(value, format, *grid, Rounding::values);
}

void PlanBuilder::to_values(Value* value, const quantizers::BoundFormat& format, const ir::Shape& shape,
                            const std::string& node) {
  Key key{kValues, value->rows()};
  append(&key, format);
  for (size_t d = 1; d < shape.size(); ++d) key.push_back(shape[d]);
  join(value);  // blocks of a format go along rows of data
  Range range = value->range;
  const int from = settle(value);
  value->block = push(key, {from}, [&] { return std::make_shared<ValueStep>(format, shape, node); });
  // Rounding may double a number at most, and lift a small one to 1.
  if (range.finite()) range.limit = 2.0 * larger(range.limit, 1.0);
  if (const auto grid = format.grid(); grid && range.finite())  // numbers below its smallest one may be lifted to it
    range.limit = format.by_block() ? std::min(range.limit, grid->largest) : grid->largest;
  range.nonnegative = range.nonnegative && !format.by_block();
  value->range = range;
}

PlanBuilder::Settled PlanBuilder::settled_inputs(const Node& node, const NodeFormat* format, bool joined) {
  Settled found;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    Value value = taken(input(node, i));
    if (joined) join(&value);
    const std::vector<std::string>& operands = node.op->operands;
    if (format && !operands.empty()) {
      const std::string& operand = operands[std::min(i, operands.size() - 1)];
      round_data(&value, node, *format, operand);
      const ir::Shape& shape = planner_.graph_.nodes()[static_cast<size_t>(node.inputs[i])].shape;
      if (const quantizers::BoundFormat* f = format->value(operand)) to_values(&value, *f, shape, node.name);
    }
    found.blocks.push_back(settle(&value));
    found.ranges.push_back(value.range);
  }
  return found;
}

}  // namespace chop::evaluator
