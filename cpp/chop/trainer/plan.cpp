#include "chop/trainer/plan.h"

#include "chop/core/check.h"
#include "chop/trainer/learned_plan.h"
#include "chop/trainer/parameter_places.h"
#include "chop/trainer/unary.h"

namespace chop::trainer {
namespace {

using ir::Node;

constexpr int64_t kMostFeatures = 1 << 20;

int64_t multiplied(const ir::Parameter& parameter) {
  int64_t count = 1;
  for (const int64_t size : parameter.shape) count *= size;
  return count;
}

int64_t elements(const Node& node) {
  int64_t count = node.shape.size() < 2 || node.shape[0] != ir::kBatch ? 0 : 1;
  for (size_t i = 1; i < node.shape.size() && count > 0; ++i)
    count = node.shape[i] >= 1 && node.shape[i] <= kMostFeatures / count ? count * node.shape[i] : 0;
  if (count < 1) refuse(node, "gives no rows of 1 to " + std::to_string(kMostFeatures) + " features");
  return count;
}

class Builder {
 public:
  Builder(const ir::Graph& graph, const Specification& specification)
      : graph_(graph), spec_(specification), places_(specification) {
    plan_.parameters = places_.end();
    plan_.trained = places_.of(spec_.trained);
    plan_.clipped = spec_.clipped;
    for (const auto& [name, node] : spec_.nodes)
      check(!spec_.clipped || node.values.empty(), "training: node ", name,
            ": straight_through='clipped' needs fixed-point formats, this one has others: 'plain' trains them");
  }

  Plan build() {
    for (const Node& node : graph_.nodes()) values_.push_back(add(node));
    plan_.output = values_[static_cast<size_t>(graph_.output())];
    const Node& last = graph_.nodes()[static_cast<size_t>(graph_.output())];
    if (last.shape.size() != 2 || last.shape[1] < 2) refuse(last, "gives no logits [rows, classes]");
    if (!last.inputs.empty()) ++plan_.values[static_cast<size_t>(plan_.output)].readers;  // the loss
    if (plan_.output == plan_.input) refuse(last, "is the input: there is nothing to train");
    fuse(plan_);
    arrange(plan_);
    return std::move(plan_);
  }

 private:
  int add(const Node& node) {
    const std::string& op = node.op->name;
    if (op == "input") return input(node);
    if (op == "identity" || op == "flatten" || op == "view" || op == "squeeze" || op == "unsqueeze") {
      elements(node);
      return source(node, 0);  // the numbers lie as they lay
    }
    if (op == "linear" || op == "conv1d" || op == "conv2d") return weighted(node);
    if (op == "batch_norm1d" || op == "batch_norm2d") return norm(node);
    if (op == "relu") return push(node, Kind::relu, quantized(node, source(node, 0)));
    if (op == "add" || op == "sub" || op == "mul") return binary(node);
    if (op == "layer_norm" || op == "group_norm") return row_norm(node);
    if (const auto pool = pool_of(node, input_shape(node))) return pooled(node, *pool);
    const auto unary = unary_of(node);
    const auto scalar = unary ? unary : scalar_of(node);
    if (!scalar) refuse(node, "has no gradient in the core");
    no_format(node);
    const int out = push(node, Kind::unary, source(node, 0));
    plan_.steps.back().op = *scalar;
    return out;
  }

  int input(const Node& node) {
    if (have_input_) refuse(node, "is a second input");
    have_input_ = true;
    plan_.input = value(elements(node));
    return plan_.input;
  }

  int weighted(const Node& node) {
    const bool windows = node.op->name != "linear";
    if (const NodeSpec* spec = spec_of(node); spec && !spec->learned.empty() && (windows || node.shape.size() != 2))
      refuse(node, "takes more than one row of features, whose widths the core does not learn");
    const int out = push(node, windows ? Kind::conv : Kind::linear, quantized(node, source(node, 0)));
    Step& step = plan_.steps.back();
    if (windows) {
      plan_.convolutions.push_back(convolution_of(node, input_shape(node), is_plain(node)));
      step.window = static_cast<int>(plan_.convolutions.size()) - 1;
      plan_.block_rows = kPlace;
    }
    step.weight = parameter(node, "weight");
    step.bias = parameter(node, "bias");
    if (!windows) step.positions = static_cast<int>(elements(node) / node.shape.back());
    plan_.products += elements(node) * (multiplied(*node.parameter("weight")) / node.parameter("weight")->shape[0]);
    round(node, "weight", step.weight);
    if (step.bias >= 0) round(node, "bias", step.bias);
    add_price(&plan_, node, *spec_of(node), &step);
    return out;
  }

  int pooled(const Node& node, const Pool& pool) {
    no_format(node);
    const int out = push(node, Kind::pool, source(node, 0));
    plan_.pools.push_back(pool);
    plan_.steps.back().window = static_cast<int>(plan_.pools.size()) - 1;
    plan_.block_rows = kPlace;
    return out;
  }

  int norm(const Node& node) {
    const NodeSpec* spec = spec_of(node);
    if (!spec || spec->running < 0) refuse(node, "keeps no running statistics");
    no_format(node);
    const int out = push(node, Kind::norm, source(node, 0));
    Step& step = plan_.steps.back();
    step.norm = static_cast<int>(plan_.norms.size());
    check(static_cast<size_t>(spec->running) < spec_.running.size(), "training: there are no running statistics ",
          spec->running);
    const int channels = spec_.running[static_cast<size_t>(spec->running)];
    check(channels == node.shape[1], "training: node ", node.name, " has ", node.shape[1],
          " channels, and its running statistics ", channels);
    plan_.norms.push_back({channels, static_cast<int>(elements(node)) / channels, node.attribute("eps"), spec->running,
                           spec->momentum, parameter(node, "weight"), parameter(node, "bias")});
    return out;
  }

  int row_norm(const Node& node) {
    no_format(node);
    const int out = push(node, Kind::row_norm, source(node, 0)), numbers = static_cast<int>(elements(node));
    RowNorm made = row_norm_of(node, numbers);
    made.eps = node.attribute("eps");
    made.gamma = parameter(node, "weight");
    made.beta = parameter(node, "bias");
    plan_.steps.back().row_norm = static_cast<int>(plan_.row_norms.size());
    plan_.row_norms.push_back(made);
    return out;
  }

  int binary(const Node& node) {
    const bool product = node.op->name == "mul";
    for (const int input : node.inputs)
      if (graph_.nodes()[static_cast<size_t>(input)].shape != node.shape)
        refuse(node, "broadcasts, which has no gradient in the core");
    const int a = quantized(node, source(node, 0)), b = quantized(node, source(node, 1));
    const int out = push(node, product ? Kind::multiply : Kind::add, a, b);
    plan_.steps.back().factor = node.op->name == "sub" ? -1.0 : 1.0;
    return out;
  }

  // The value that a layer reads: rounded, where its input has a format.
  int quantized(const Node& node, int from) {
    const NodeSpec* spec = spec_of(node);
    if (spec && spec->values.count("data_in")) return valued(node, *spec, from);
    if (!spec || !spec->formats.count("data_in")) return from;
    const auto features = static_cast<size_t>(plan_.values[static_cast<size_t>(from)].features);
    const ElementFormats& formats = spec->formats.at("data_in");
    const auto channels = static_cast<size_t>(input_channels(node));
    if (formats.size() > 1 && node.op->name == "linear" && node.shape.size() > 2)
      refuse(node, "has formats for each feature of more than one row, which the core does not train");
    if (formats.size() != 1 && formats.size() != channels)
      refuse(node, "has formats for " + std::to_string(formats.size()) + " of its " + std::to_string(channels) +
                       " input features");
    const int out = push(node, Kind::quantize, from);
    plan_.steps.back().grids = grid_runs(spread(formats, features));
    plan_.steps.back().learned = add_learned(&plan_, node, *spec, "data_in", static_cast<int64_t>(features), 1);
    return out;
  }

  int valued(const Node& node, const NodeSpec& spec, int from) {
    const ir::Shape& shape = input_shape(node);
    const ValueOperand operand{spec.values.at("data_in"), {shape.begin(), shape.end()}};
    if (mixes_rows(operand))
      refuse(node, "has a format of data_in whose blocks hold numbers of several rows: engine 'lightning' trains it");
    const int out = push(node, Kind::quantize, from);
    plan_.steps.back().values = operand;
    return out;
  }

  // One parameter is rounded in one way.
  void round_to(const Node& node, Rounded rounded) {
    for (const Rounded& other : plan_.rounded) {
      if (other.place != rounded.place) continue;
      if (other.formats == rounded.formats && other.values == rounded.values) return;
      refuse(node, "shares a parameter that another node rounds to another grid");
    }
    plan_.rounded.push_back(std::move(rounded));
  }

  void round(const Node& node, const char* operand, int64_t place) {
    const NodeSpec* spec = spec_of(node);
    if (spec->values.count(operand)) {
      const ir::Shape& shape = node.parameter(operand)->shape;
      const int64_t size = spec_.sizes[static_cast<size_t>(spec->parameters.at(operand))];
      return round_to(node, {place, size, {}, {}, -1, {spec->values.at(operand), {shape.begin(), shape.end()}}});
    }
    if (!spec->formats.count(operand)) return;
    const int64_t size = spec_.sizes[static_cast<size_t>(spec->parameters.at(operand))];
    const ElementFormats& formats = spec->formats.at(operand);
    const auto outputs = static_cast<size_t>(node.parameter("weight")->shape.front());
    if (formats.size() != 1 && formats.size() != outputs && formats.size() != static_cast<size_t>(size))
      refuse(node, "has " + std::to_string(formats.size()) + " formats for its " + operand);
    if (!spec->learned.empty())
      for (const Rounded& other : plan_.rounded)
        if (other.place == place) refuse(node, "shares a parameter whose widths are to be trained");
    for (const Rounded& other : plan_.rounded)
      if (other.place == place && other.formats == formats && !other.values) return;
    const int64_t channel = node.parameter(operand)->shape.size() > 1 ? size / node.parameter(operand)->shape[0] : 1;
    round_to(node, {place, size, formats, grid_runs(spread(formats, static_cast<size_t>(size))),
                    add_learned(&plan_, node, *spec, operand, size, channel)});
  }

  // Features of rows, channels of what has places too.
  int64_t input_channels(const Node& node) const { return input_shape(node)[1]; }

  const ir::Shape& input_shape(const Node& node) const {
    return graph_.nodes()[static_cast<size_t>(node.inputs[0])].shape;
  }

  // A format for each of so many numbers: equal parts that lie side by side have one each.
  static ElementFormats spread(const ElementFormats& formats, size_t count) {
    const size_t part = count / formats.size();
    ElementFormats found;
    for (size_t i = 0; i < count; ++i) found.push_back(formats[i / part]);
    return found;
  }

  void no_format(const Node& node) {
    if (!is_plain(node)) refuse(node, "is quantized, which has no gradient in the core");
  }

  bool is_plain(const Node& node) const {
    const NodeSpec* spec = spec_of(node);
    return !spec || (spec->formats.empty() && spec->values.empty());
  }

  const NodeSpec* spec_of(const Node& node) const {
    const auto found = spec_.nodes.find(node.name);
    return found == spec_.nodes.end() ? nullptr : &found->second;
  }

  int64_t parameter(const Node& node, const char* name) const { return places_.of(node, name); }

  int source(const Node& node, size_t input) const { return values_[static_cast<size_t>(node.inputs[input])]; }

  int value(int64_t features) {
    plan_.values.push_back({static_cast<int>(features), 0, -1, 0});
    return static_cast<int>(plan_.values.size()) - 1;
  }

  int push(const Node& node, Kind kind, int a, int b = -1) {
    const int64_t features = kind == Kind::quantize ? plan_.values[static_cast<size_t>(a)].features : elements(node);
    Step step;
    step.kind = kind;
    step.node = node.name;
    step.a = a;
    step.b = b;
    step.out = value(features);
    ++plan_.values[static_cast<size_t>(a)].readers;
    if (b >= 0) ++plan_.values[static_cast<size_t>(b)].readers;
    plan_.steps.push_back(step);
    return step.out;
  }

  const ir::Graph& graph_;
  const Specification& spec_;
  const ParameterPlaces places_;
  std::vector<int> values_;  // of the nodes
  Plan plan_;
  bool have_input_ = false;
};

}  // namespace

Plan Plan::make(const ir::Graph& graph, const Specification& specification) {
  return Builder(graph, specification).build();
}

}  // namespace chop::trainer
