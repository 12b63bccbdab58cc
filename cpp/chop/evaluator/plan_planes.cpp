// How a plan lays values out: on planes as long as the operations know them, then joined to blocks of samples.
#include <algorithm>
#include <set>
#include <string>

#include "chop/evaluator/plan_builder.h"
#include "chop/evaluator/plan_key.h"
#include "chop/evaluator/plane_steps.h"

namespace chop::evaluator {
namespace {

using ir::Node;

// What is done to single numbers is the same on planes.
const std::set<std::string> kSingle{"relu6",      "hardtanh",   "leaky_relu", "hardswish",  "hardsigmoid", "neg",
                                    "add_scalar", "sub_scalar", "clamp",      "clamp_min",  "clamp_max",   "abs",
                                    "sqrt",       "rsqrt",      "mul_scalar", "div_scalar", "softsign",    "sigmoid",
                                    "tanh",       "gelu",       "gelu_tanh",  "pow_scalar", "mish",        "logsigmoid",
                                    "softplus",   "elu",        "exp",        "log",        "silu",        "add",
                                    "sub",        "mul",        "div",        "minimum",    "maximum"};

bool means_all_places(const Node& node, const Node& input) {
  const std::string& name = node.op->name;
  const size_t rank = input.shape.size();
  if (name == "adaptive_avg_pool1d" || name == "adaptive_avg_pool2d") {
    const size_t spatial = name == "adaptive_avg_pool2d" ? 2 : 1;
    return rank == spatial + 2 &&
           std::all_of(node.shape.begin() + 2, node.shape.end(), [](int64_t n) { return n == 1; });
  }
  if (name != "mean") return false;
  std::set<int64_t> dims;
  for (const int64_t dim : node.list("dims")) dims.insert(dim < 0 ? dim + static_cast<int64_t>(rank) : dim);
  return dims.size() == rank - 2 && dims.count(0) == 0 && dims.count(1) == 0;
}

}  // namespace

Value PlanBuilder::on_planes(size_t index, int block) const {
  Value value = shaped(index, block);
  value.plane = value.places;
  value.places = plane_rows(plan_.images, value.plane);
  return value;
}

Value PlanBuilder::plane_input(size_t index) {
  const NodeFacts& f = facts(index);
  const auto make = [&] { return std::make_shared<PlaneInputStep>(f.channels, f.places, plan_.images); };
  return on_planes(index, push({static_cast<int64_t>(index)}, {0}, make, Stage::planes));
}

void PlanBuilder::join(Value* value) {
  if (value->plane == 0) return;
  const int channels = value->channels, places = value->plane;
  value->block = push(
      {value->channels, places}, {settle(value)},
      [&] { return std::make_shared<JoinStep>(channels, places, plan_.images); }, Stage::join);
  value->places = places;
  value->plane = 0;
}

StepPtr PlanBuilder::product_step(const Value& value, Ending ending) const {
  if (value.plane == 0) return std::make_shared<ProductStep>(value.window, value.layer, std::move(ending));
  if (is_depthwise(*value.window_on_planes, *value.layer))
    return std::make_shared<DepthwiseStep>(value.window_on_planes, value.layer, std::move(ending));
  return std::make_shared<PlaneProductStep>(value.window_on_planes, value.layer, std::move(ending));
}

bool PlanBuilder::add_behind(const Node& node) {
  for (const size_t i : {size_t{0}, size_t{1}}) {
    const Value& product = input(node, i);
    if (!product.layer || product.readers > 1 || product.addend >= 0 || product.capped >= 0) continue;
    if (product.pending.relu || product.pending.rounding != Rounding::none) continue;
    if (product.layer->road != Road::int8 || is_depthwise(*product.window_on_planes, *product.layer)) continue;
    Value other = taken(input(node, 1 - i));
    const Range ranges[] = {input(node, i).range, other.range};
    const int block = settle(&other);
    Value sum = taken(input(node, i));
    sum.addend = block;
    sum.open = true;
    sum.key.push_back(kAdded);
    sum.range = range_after(node, {ranges[i], ranges[1 - i]});
    values_.push_back(std::move(sum));
    return true;
  }
  return false;
}

bool PlanBuilder::plane_op(const Node& node, size_t index, const NodeFormat* format) {
  const std::vector<Node>& nodes = planner_.graph_.nodes();
  const auto all = [&](auto holds) {
    return std::all_of(node.inputs.begin(), node.inputs.end(), [&](int i) { return holds(static_cast<size_t>(i)); });
  };
  if (format && !format->values.empty()) return false;  // blocks of a format go along rows of data
  if (node.inputs.empty() || !all([&](size_t i) { return values_[i].plane > 0; })) return false;
  const Node& first = nodes[static_cast<size_t>(node.inputs[0])];
  const bool single = kSingle.count(node.op->name) > 0 && all([&](size_t i) { return nodes[i].shape == node.shape; });
  const bool mean = means_all_places(node, first), pool = is_max_pool(node) && facts(index).planes;
  if (!single && !mean && !pool) return false;
  if (node.op->name == "add" && node.inputs.size() == 2 && !format && add_behind(node)) return true;
  const int channels = input(node, 0).channels, rows = input(node, 0).places, places = input(node, 0).plane;
  Settled inputs = settled_inputs(node, format, false);
  const auto make = [&]() -> StepPtr {
    if (mean) return std::make_shared<PlaneMeanStep>(channels, places, plan_.images);
    if (pool) return std::make_shared<PlanePoolStep>(facts(index).planes, channels);
    // A node with as many numbers as the planes have rows.
    Node of_rows = node, read = first;
    of_rows.shape = read.shape = {ir::kBatch, channels, rows};
    return float_ops().get(node.op->name).make(of_rows, std::vector<const Node*>(node.inputs.size(), &read));
  };
  const Key key{kFloatOp, static_cast<int64_t>(index)};
  const int block = push(key, std::move(inputs.blocks), make, mean ? Stage::join : Stage::planes);
  Value out = mean ? shaped(index, block) : on_planes(index, block);
  out.range = range_after(node, inputs.ranges);
  values_.push_back(std::move(out));
  return true;
}

}  // namespace chop::evaluator
