#include "chop/evaluator/plan.h"

#include <algorithm>
#include <cmath>

#include "chop/core/check.h"
#include "chop/quantizers/quantizer.h"

namespace chop::evaluator {
namespace {

using ir::Node;

constexpr double kExactFloat = 16777216.0;  // 2^24: below it, every sum of grid units is exact in float
constexpr int kDeepestGrid = 100;           // grids between 2^-100 and 2^100 keep sums far from float's limits

const std::vector<std::string> kRun{"input", "linear", "batch_norm1d", "relu", "identity"};

void check_runs(const Node& node) {
  std::string known;
  for (const std::string& op : kRun) {
    if (op == node.op->name) return;
    known += (known.empty() ? "" : ", ") + op;
  }
  fail("evaluator: node ", node.name, " (", node.op->name,
       ") is of a kind that the evaluator does not run; it runs: ", known);
}

std::vector<const Node*> chain_of(const ir::Graph& graph) {
  std::vector<const Node*> chain;
  for (const Node& node : graph.nodes()) check_runs(node);
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const Node& node = graph.nodes()[i];
    const bool follows = i == 0 ? node.inputs.empty() : node.inputs == std::vector<int>{static_cast<int>(i) - 1};
    check(follows, "evaluator: node ", node.name, " (", node.op->name,
          ") does not read the node before it; only chains of layers are supported");
    check(node.shape.size() == 2, "evaluator: node ", node.name, " has the shape ", ir::shape_text(node.shape),
          "; only rows of features (?xN) are supported");
    chain.push_back(&node);
  }
  check(graph.output() == static_cast<int>(chain.size()) - 1, "evaluator: node ", chain.back()->name,
        " comes after the output");
  return chain;
}

int features_of(const Node& node) { return static_cast<int>(node.shape.back()); }

// Strings together the steps of one plan: elementwise operations gather in `pending` until a layer needs their result.
class Builder {
 public:
  Builder(bool fused_affine, int features) : fused_affine_(fused_affine), width_(features) { plan_.width = features; }

  void affine(const Node& node) {
    if (open_) flush();
    open_ = true;
    const std::vector<float>& mean = node.values("running_mean");
    const std::vector<float>& variance = node.values("running_var");
    const float* gamma = node.parameter("weight") ? node.values("weight").data() : nullptr;
    const float* shift = node.parameter("bias") ? node.values("bias").data() : nullptr;
    const auto eps = static_cast<float>(node.attribute("eps"));
    for (size_t c = 0; c < mean.size(); ++c) {
      // torch's order of operations, to the bit.
      const float inverse = 1.0f / std::sqrt(variance[c] + eps);
      const float alpha = gamma ? inverse * gamma[c] : inverse;
      const float bias = shift ? shift[c] : 0.0f;
      pending_.alpha.push_back(alpha);
      pending_.beta.push_back(fused_affine_ ? std::fma(-mean[c], alpha, bias) : bias - mean[c] * alpha);
    }
  }

  void relu() {
    if (open_ && rounded()) flush();
    open_ = true;
    pending_.op.relu = true;
  }

  void round(const GridF32& grid, Rounding rounding) {
    if (open_ && rounded()) flush();
    open_ = true;
    pending_.op.rounding = rounding;
    pending_.op.grid = grid;
  }

  void linear(const Node& node, const NodeFormat* format) {
    if (format) {
      quantized_linear(node, *format);
    } else {
      flush();
      Step step = linear_step(node, Road::float32);
      step.weight = node.values("weight");
      if (node.parameter("bias")) step.bias = node.values("bias");
      add(std::move(step), 0.0);
    }
  }

  Plan finish() {
    flush();
    // The vectors have their final places now.
    for (Step& step : plan_.steps)
      if (!step.alpha.empty()) step.op.alpha = step.alpha.data(), step.op.beta = step.beta.data();
    return std::move(plan_);
  }

 private:
  bool rounded() const { return pending_.op.rounding != Rounding::none; }

  void flush() {
    if (!open_) return;
    pending_.rows_in = pending_.rows_out = width_;
    pending_.op.fused_affine = fused_affine_;
    plan_.steps.push_back(std::move(pending_));
    pending_ = Step{};
    open_ = false;
  }

  Step linear_step(const Node& node, Road road) {
    Step step;
    step.kind = Step::Kind::linear;
    step.road = road;
    step.rows_in = width_;
    step.rows_out = features_of(node);
    last_linear_ = node.name;
    return step;
  }

  void add(Step step, double bound) {
    width_ = step.rows_out;
    plan_.width = std::max(plan_.width, width_);
    plan_.layers.push_back({last_linear_, step.road, bound});
    plan_.steps.push_back(std::move(step));
  }

  void quantized_linear(const Node& node, const NodeFormat& format);

  bool fused_affine_;
  bool open_ = false;
  int width_;
  std::string last_linear_;
  Step pending_;
  Plan plan_;
};

const FixedPoint& operand(const NodeFormat& format, const std::string& name) {
  const auto found = format.operands.find(name);
  check(found != format.operands.end(), "evaluator: node ", format.node, " has no format for ", name);
  return found->second;
}

std::vector<float> codes_of(const NodeFormat& format, const std::string& name, const std::vector<float>& values) {
  std::vector<float> codes(values.size());
  quantizers::registry()
      .get(format.quantizer)
      .codes(values.data(), codes.data(), static_cast<int64_t>(values.size()), operand(format, name));
  return codes;
}

// The largest |sum| of any output, in units of the finest grid of products and bias: inputs are at most `x_max` codes.
double worst_case(const std::vector<float>& weight, const std::vector<float>& bias, size_t in, double x_max,
                  double product_unit, double bias_unit) {
  double bound = 0.0;
  for (size_t o = 0; o * in < weight.size(); ++o) {
    double sum = bias.empty() ? 0.0 : std::fabs(static_cast<double>(bias[o])) * bias_unit;
    for (size_t i = 0; i < in; ++i) sum += std::fabs(static_cast<double>(weight[o * in + i])) * x_max * product_unit;
    // Written so that a NaN weight, which compares false, leaves the exact road.
    bound = sum <= bound ? bound : sum;
  }
  return bound;
}

void Builder::quantized_linear(const Node& node, const NodeFormat& format) {
  const FixedPoint& x = operand(format, "data_in");
  const int product_frac = x.frac_width + operand(format, "weight").frac_width;
  const bool has_bias = node.parameter("bias") != nullptr;
  const int bias_frac = has_bias ? operand(format, "bias").frac_width : product_frac;
  const int finest = std::max(product_frac, bias_frac);
  round(quantizers::registry().get(format.quantizer).grid(x), Rounding::codes);
  flush();

  const std::vector<float> weight = codes_of(format, "weight", node.values("weight"));
  std::vector<float> bias;
  if (has_bias) bias = codes_of(format, "bias", node.values("bias"));
  const double bound = worst_case(weight, bias, static_cast<size_t>(width_), x.largest_code(),
                                  std::ldexp(1.0, finest - product_frac), std::ldexp(1.0, finest - bias_frac));
  const bool exact = bound < kExactFloat && std::abs(finest) <= kDeepestGrid && std::abs(product_frac) <= kDeepestGrid;

  Step step = linear_step(node, exact ? Road::exact_float32 : Road::float64);
  const double weight_unit = std::ldexp(1.0, -product_frac), bias_unit = std::ldexp(1.0, -bias_frac);
  for (const float code : weight) step.weight64.push_back(static_cast<double>(code) * weight_unit);
  for (const float code : bias) step.bias64.push_back(static_cast<double>(code) * bias_unit);
  if (exact) {
    step.weight.assign(step.weight64.begin(), step.weight64.end());
    step.bias.assign(step.bias64.begin(), step.bias64.end());
    step.weight64.clear();
    step.bias64.clear();
  }
  add(std::move(step), bound);
}

std::vector<int> key_of(const std::vector<const Node*>& chain,
                        const std::map<std::string, const NodeFormat*>& formats) {
  std::vector<int> key;
  for (const Node* node : chain) {
    const auto found = formats.find(node->name);
    for (const std::string& name : node->op->operands) {
      const FixedPoint* f = nullptr;
      if (found != formats.end() && found->second->operands.count(name)) f = &operand(*found->second, name);
      const int modes = f ? int(f->rounding) * 2 + int(f->overflow) : 0;
      for (const int part : {f ? f->width : 0, f ? f->frac_width : 0, f ? int(f->is_signed) : 0, modes})
        key.push_back(part);
    }
  }
  return key;
}

}  // namespace

const char* road_name(Road road) {
  switch (road) {
    case Road::exact_float32: return "fp32";
    case Road::float64: return "fp64";
    case Road::float32: break;
  }
  return "float";
}

bool same_work(const Step& a, const Step& b) {
  return a.kind == b.kind && a.road == b.road && a.rows_in == b.rows_in && a.rows_out == b.rows_out &&
         a.op.relu == b.op.relu && a.op.rounding == b.op.rounding && a.op.grid == b.op.grid &&
         a.op.fused_affine == b.op.fused_affine && a.alpha == b.alpha && a.beta == b.beta && a.weight == b.weight &&
         a.bias == b.bias && a.weight64 == b.weight64 && a.bias64 == b.bias64;
}

Planner::Planner(ir::Graph graph, bool fused_affine)
    : graph_(std::move(graph)), chain_(chain_of(graph_)), fused_affine_(fused_affine) {
  features_ = features_of(*chain_.front());
  classes_ = features_of(*chain_.back());
}

Plan Planner::plan(const Config& config) const {
  std::map<std::string, const NodeFormat*> formats;
  for (const NodeFormat& format : config) formats[format.node] = &format;
  Builder builder(fused_affine_, features_);
  size_t used = 0;
  for (const Node* node : chain_) {
    const auto found = formats.find(node->name);
    const NodeFormat* format = found == formats.end() ? nullptr : found->second;
    check(!format || !node->op->operands.empty(), "evaluator: node ", node->name, " (", node->op->name,
          ") takes no formats");
    used += format != nullptr;
    if (node->op->name == "linear") {
      builder.linear(*node, format);
    } else if (node->op->name == "batch_norm1d") {
      builder.affine(*node);
    } else if (node->op->name == "relu") {
      const bool keeps_sign = !format || operand(*format, "data_in").is_signed;
      if (format) {
        const auto& quantizer = quantizers::registry().get(format->quantizer);
        builder.round(quantizer.grid(operand(*format, "data_in")), Rounding::values);
      }
      if (keeps_sign) builder.relu();  // an unsigned grid has nothing below zero
    }
  }
  check(used == formats.size(), "evaluator: the config names a node that the graph lacks");
  Plan plan = builder.finish();
  plan.key = key_of(chain_, formats);
  return plan;
}

}  // namespace chop::evaluator
