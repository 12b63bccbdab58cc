#include "chop/evaluator/plan_builder.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "chop/core/check.h"
#include "chop/evaluator/element_codes.h"
#include "chop/evaluator/number_on_grid.h"
#include "chop/evaluator/plan_key.h"
#include "chop/evaluator/plane_steps.h"
#include "chop/evaluator/torch_step.h"
#include "chop/evaluator/value_layer.h"

namespace chop::evaluator {
namespace {

using ir::Node;

// Whether the value's layer can pack its output for the reader itself: the channels of one are those of the other,
// place by place. A linear layer on more than two dimensions reads along the places of a convolution.
bool feeds(const Value& value, const Window& reader) {
  if (!value.layer || reader.groups != 1) return false;
  const bool planes = value.plane > 0;
  const Window& own = planes ? value.window_on_planes->rows : *value.window;
  if (own.groups != 1 && !(planes && is_depthwise(*value.window_on_planes, *value.layer))) return false;
  return own.places_out == reader.places_in && own.out == reader.channels &&
         (!reader.channels_last || reader.places_in == 1);
}

size_t step_bytes(const Step& step) { return 512 + 64 * static_cast<size_t>(step.groups()) + step.bytes(); }

}  // namespace

int PlanBuilder::push(const Key& key, std::vector<int> inputs, const std::function<StepPtr()>& make, Stage stage) {
  PlannedStep planned{nullptr, std::move(inputs), stage};
  if (stage == Stage::rows) {
    planned.step = planner_.steps_.get(key, make, step_bytes);
  } else {
    Key marked{kPlanes, static_cast<int64_t>(stage)};
    marked.insert(marked.end(), key.begin(), key.end());
    planned.step = planner_.steps_.get(marked, make, step_bytes);
  }
  const auto found = std::find(plan_.steps.begin(), plan_.steps.end(), planned);
  if (found != plan_.steps.end()) return static_cast<int>(found - plan_.steps.begin()) + 1;
  plan_.steps.push_back(std::move(planned));
  return static_cast<int>(plan_.steps.size());
}

Value PlanBuilder::shaped(size_t index, int block) const {
  Value value;
  value.block = block;
  value.channels = facts(index).channels;
  value.places = facts(index).places;
  return value;
}

// Affine parts per destination channel: as they are behind a layer, else by the row's channel.
Ending PlanBuilder::ending(const Value& value, const std::vector<int32_t>* rows) const {
  Ending ending;
  ending.finish.op = value.pending;
  ending.finish.op.fused_affine = planner_.fused_affine_;
  if (!value.affine) return ending;
  if (!rows) {
    ending.alpha = value.affine->alpha;
    ending.beta = value.affine->beta;
    return ending;
  }
  for (const int32_t row : *rows) {
    const auto channel = static_cast<size_t>(row < 0 ? 0 : row / value.places);
    ending.alpha.push_back(value.affine->alpha[channel]);
    ending.beta.push_back(value.affine->beta[channel]);
  }
  return ending;
}

int PlanBuilder::push_product(const Value& value, Encoding to, int zero) {
  Key key{kProduct, static_cast<int64_t>(to), zero};
  key.insert(key.end(), value.key.begin(), value.key.end());
  std::vector<int> inputs{value.source};
  if (value.addend >= 0) inputs.push_back(value.addend);
  const auto make = [&] {
    Ending end = ending(value, nullptr);
    end.finish.to = to;
    end.finish.zero = zero;
    end.adds = value.addend >= 0;
    return product_step(value, std::move(end));
  };
  return push(key, std::move(inputs), make, stage(value));
}

int PlanBuilder::settle(Value* value) {
  if (value->layer) {
    value->block = push_product(*value, Encoding::f32, 0);
  } else if (value->open) {
    Key key{kEncoded, static_cast<int64_t>(Encoding::f32), value->channels, value->places};
    key.insert(key.end(), value->key.begin(), value->key.end());
    const auto make = [&] {
      std::vector<int32_t> rows(static_cast<size_t>(value->rows()));
      std::iota(rows.begin(), rows.end(), 0);
      return std::make_shared<EncodeStep>(rows, ending(*value, &rows));
    };
    value->block = push(key, {value->block}, make, stage(*value));
  }
  value->layer = nullptr;
  value->addend = -1;
  if (value->capped >= 0) cap(value);
  value->open = false;
  value->affine = nullptr;
  value->pending = Elementwise{};
  value->key.clear();
  return value->block;
}

Value PlanBuilder::taken(Value& from) {
  if (from.readers == 1) return std::move(from);
  settle(&from);
  return from;
}

// The block of the value's codes, as the layer wants them. The codes are pending already; if the value's own layer is,
// too, it feeds the reader.
int PlanBuilder::encode(Value* value, const Window& reader, const Layer& layer) {
  const Encoding to = layer.encoding;
  if (to == Encoding::f32) return settle(value);
  if (value->layer) return push_product(*value, to, layer.zero);
  Key key{kEncoded, static_cast<int64_t>(to), layer.zero};
  key.insert(key.end(), value->key.begin(), value->key.end());
  key.insert(key.end(), {value->channels, reader.channels, reader.groups, reader.places_in, reader.channels_last});
  const auto make = [&] {
    const std::vector<int32_t> rows = value->plane > 0 ? plane_input_rows(reader, to) : input_rows(reader, to);
    Ending end = ending(*value, &rows);
    end.finish.to = to;
    end.finish.zero = layer.zero;
    return std::make_shared<EncodeStep>(rows, std::move(end));
  };
  return push(key, {value->block}, make, stage(*value));
}

void PlanBuilder::input_value(size_t index) {
  values_.push_back(plan_.images > 0 ? plane_input(index) : shaped(index, 0));
  values_.back().range = {planner_.largest_input_, false};
}

void PlanBuilder::product(const Node& node, size_t index, const NodeFormat* format) {
  Value in = taken(input(node, 0));
  if (!facts(index).planes || (format && !format->values.empty())) join(&in);
  const std::shared_ptr<const Window>& window = facts(index).window;
  const Window& input_window = in.plane > 0 ? facts(index).planes->rows : *window;
  const ElementFormats* features = format ? format->each("data_in") : nullptr;
  const ElementFormats rows = features ? row_formats(*features, input_window, *format) : ElementFormats();
  const bool finite = in.range.finite();
  const bool nonnegative = features ? rounded(in.range, rows).nonnegative : in.range.nonnegative;
  const PlaneWindow* planes = in.plane > 0 ? facts(index).planes.get() : nullptr;
  const int side_by_side = planes && planes->gathers() && window->groups == 1 ? window->taps : 1;
  Key key{kLayer, static_cast<int64_t>(index), finite, nonnegative, side_by_side};
  append(&key, format);
  const auto layer = planner_.layers_.get(
      key,
      [&] {
        const bool by_values = format && !format->values.empty();
        return std::make_shared<Layer>(by_values ? make_value_layer(node, *window, *format, finite, nonnegative)
                                                 : make_layer(node, *window, format,
                                                              {finite, nonnegative, side_by_side, &planner_.weights_,
                                                               static_cast<int64_t>(index)}));
      },
      [](const Layer& made) { return made.bytes(); });
  plan_.layers.push_back({node.name, layer->road, layer->bound});
  const FixedPoint* grid = format ? format->operand("data_in") : nullptr;
  if (observed_ && layer->codes_in)
    observed_->push_back({&node, window, layer, *format, *grid, rows, in.rows(), settle(&in)});
  if (in.layer && layer->encoding != Encoding::f32 && !feeds(in, input_window)) settle(&in);
  if (const quantizers::BoundFormat* f = format ? format->value("data_in") : nullptr)
    to_values(&in, *f, planner_.graph_.nodes()[static_cast<size_t>(node.inputs[0])].shape, node.name);
  const bool codes = layer->codes_in || layer->value_codes;
  const Rounding rounding = codes ? Rounding::codes : Rounding::values;
  if (layer->value_codes && !grid) round(&in, {node.name, "integer", {}, nullptr}, *layer->value_codes, rounding);
  if (features) {
    round_rows(&in, *format, rows, *grid, rounding);
  } else if (grid) {
    round(&in, *format, *grid, rounding);
  }
  Value out = in.plane > 0 ? on_planes(index, -1) : shaped(index, -1);
  out.window_on_planes = facts(index).planes;
  out.range = {layer->gain * in.range.limit + layer->offset, false};
  out.source = encode(&in, input_window, *layer);
  out.window = window;
  out.layer = layer;
  out.key = key;
  // The channels of a linear layer are not those of its output's shape, unless that is [rows, features].
  if (window->channels_last && node.shape.size() > 2) {
    out.block = push({kTurned, window->out, window->places_out}, {settle(&out)}, [&] {
      std::vector<int32_t> rows;
      for (int place = 0; place < window->places_out; ++place)
        for (int o = 0; o < window->out; ++o) rows.push_back(o * window->places_out + place);
      return std::make_shared<EncodeStep>(std::move(rows), Ending{});
    });
  }
  values_.push_back(std::move(out));
}

void PlanBuilder::affine(const Node& node, size_t index) {
  Value value = taken(input(node, 0));
  if (value.open) settle(&value);
  value.open = true;
  value.affine = &facts(index);
  value.key.insert(value.key.end(), {kAffine, static_cast<int64_t>(index)});
  value.range = {value.range.limit * facts(index).gain + facts(index).offset, false};
  values_.push_back(std::move(value));
}

void PlanBuilder::relu(const Node& node, const NodeFormat* format) {
  Value value = taken(input(node, 0));
  const FixedPoint* grid = format ? format->operand("data_in") : nullptr;
  if (grid) round_data(&value, node, *format, "data_in");
  if (const quantizers::BoundFormat* f = format ? format->value("data_in") : nullptr)
    to_values(&value, *f, node.shape, node.name);
  if (!grid || grid->is_signed) {  // an unsigned grid has nothing below zero
    if (value.pending.rounding != Rounding::none) settle(&value);
    value.open = true;
    value.pending.relu = true;
    value.key.push_back(kRelu);
  }
  value.range.nonnegative = true;
  values_.push_back(std::move(value));
}

void PlanBuilder::float_op(const Node& as_given, size_t index, const NodeFormat* format) {
  if (as_given.op->name == "relu6") return relu6(as_given, index, format);
  const std::optional<Node> rounded = with_number_on_grid(as_given, format);
  const Node& node = rounded ? *rounded : as_given;
  if (!rounded && plane_op(node, index, format)) return;
  Settled inputs = settled_inputs(as_given, format, true);
  const auto make = [&] {
    std::vector<const Node*> nodes;
    for (const int from : node.inputs) nodes.push_back(&planner_.graph_.nodes()[static_cast<size_t>(from)]);
    return float_ops().get(node.op->name).make(node, nodes);
  };
  Key key{kFloatOp, static_cast<int64_t>(index)};
  if (rounded) append(&key, format);
  Value out = shaped(index, push(key, std::move(inputs.blocks), make));
  out.range = range_after(node, inputs.ranges);
  values_.push_back(std::move(out));
}

void PlanBuilder::torch_call(const Node& node, size_t index, const TorchCallPtr& call) {
  std::vector<int> sizes;
  for (const int from : node.inputs) sizes.push_back(elements(planner_.graph_.nodes()[static_cast<size_t>(from)]));
  Settled inputs = settled_inputs(node, nullptr, true);
  const Key key{kTorch, static_cast<int64_t>(index), reinterpret_cast<intptr_t>(call.get())};
  const auto make = [&] { return std::make_shared<TorchStep>(call, sizes, elements(node)); };
  Value out = shaped(index, push(key, std::move(inputs.blocks), make));
  out.range = {std::numeric_limits<double>::infinity(), false};
  plan_.together = planner_.together();
  values_.push_back(std::move(out));
}

// The same rows under another shape.
void PlanBuilder::reshape(const Node& node, size_t index) {
  Value value = taken(input(node, 0));
  const Value shape = shaped(index, -1);
  const bool same = shape.channels == value.channels && shape.places == value.plane;
  if (value.plane > 0 && same) return values_.push_back(std::move(value));
  join(&value);
  // What is pending goes by the old channels.
  if (shape.channels != value.channels || shape.places != value.places) settle(&value);
  value.channels = shape.channels;
  value.places = shape.places;
  values_.push_back(std::move(value));
}

void PlanBuilder::add(size_t index, const NodeFormat* format) {
  const Node& node = planner_.graph_.nodes()[index];
  const NodeFacts& known = facts(index);
  if (format && !format->call && (known.call || node.op->operands.empty()))
    fail("evaluator: node ", node.name, " (", node.op->name, ") takes no formats");
  if ((format && format->call) || known.call) {
    torch_call(node, index, format && format->call ? format->call : known.call);
  } else {
    switch (known.kind) {
      case NodeFacts::Kind::input: input_value(index); break;
      case NodeFacts::Kind::product: product(node, index, format); break;
      case NodeFacts::Kind::affine: affine(node, index); break;
      case NodeFacts::Kind::relu: relu(node, format); break;
      case NodeFacts::Kind::reshape: reshape(node, index); break;
      case NodeFacts::Kind::float_op: float_op(node, index, format); break;
    }
  }
  values_.back().readers = known.readers;
}

Plan PlanBuilder::finish() {
  Value& output = values_[static_cast<size_t>(planner_.graph_.output())];
  join(&output);
  plan_.output = settle(&output);
  return std::move(plan_);
}

}  // namespace chop::evaluator
