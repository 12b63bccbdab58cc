#include "chop/evaluator/planner.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "chop/core/check.h"
#include "chop/evaluator/plan_builder.h"

namespace chop::evaluator {
namespace {

using ir::Node;

constexpr int kMostTogether = 64;
constexpr int64_t kTogetherBytes = int64_t{64} << 20;  // of all values of the blocks that go together, for one thread

constexpr size_t kMostStepBytes = size_t{64} << 20, kMostLayerBytes = size_t{256} << 20;

// Operations that the builder knows itself; the others are in float_ops(). Reshaping needs no work while the batch
// stays first, which `elements` has made sure of.
bool in_core(const Node& node) {
  for (const char* name : {"input", "linear", "conv1d", "conv2d", "batch_norm1d", "batch_norm2d", "relu", "identity",
                           "flatten", "view", "squeeze", "unsqueeze"})
    if (node.op->name == name) return true;
  return float_ops().members().count(node.op->name) > 0;
}

// Whether the core can compute a node of that kind with these attributes, too.
bool makes_step(const Node& node, const std::vector<const Node*>& inputs) {
  const auto found = float_ops().members().find(node.op->name);
  if (found == float_ops().members().end()) return true;
  try {
    return found->second.make(node, inputs) != nullptr;
  } catch (const std::invalid_argument&) {
    return false;
  }
}

// torch's order of operations, to the bit.
void fold_batch_norm(const Node& node, bool fused, std::vector<float>* alphas, std::vector<float>* betas) {
  const std::vector<float>& mean = node.values("running_mean");
  const std::vector<float>& variance = node.values("running_var");
  const float* gamma = node.parameter("weight") ? node.values("weight").data() : nullptr;
  const float* shift = node.parameter("bias") ? node.values("bias").data() : nullptr;
  const auto eps = static_cast<float>(node.attribute("eps"));
  for (size_t c = 0; c < mean.size(); ++c) {
    const float inverse = 1.0f / std::sqrt(variance[c] + eps);
    const float alpha = gamma ? inverse * gamma[c] : inverse;
    const float bias = shift ? shift[c] : 0.0f;
    alphas->push_back(alpha);
    betas->push_back(fused ? std::fma(-mean[c], alpha, bias) : bias - mean[c] * alpha);
  }
}

}  // namespace

Planner::Planner(ir::Graph graph, double largest_input, bool fused_affine, std::map<std::string, TorchCallPtr> calls)
    : graph_(std::move(graph)),
      largest_input_(largest_input),
      fused_affine_(fused_affine),
      calls_(std::move(calls)),
      steps_(kMostStepBytes),
      layers_(kMostLayerBytes) {
  const std::vector<Node>& nodes = graph_.nodes();
  readers_.resize(nodes.size());
  windows_.resize(nodes.size());
  alphas_.resize(nodes.size());
  betas_.resize(nodes.size());
  size_t sources = 0;
  int64_t values = 0;
  for (size_t i = 0; i < nodes.size(); ++i) {
    const Node& node = nodes[i];
    values += elements(node);
    check(in_core(node) || calls_.count(node.name), "evaluator: node ", node.name, " (", node.op->name,
          ") is of a kind that the evaluator does not run");
    sources += node.op->name == "input";
    for (const int from : node.inputs) ++readers_[static_cast<size_t>(from)];
    if (node.op->name == "linear" || node.op->name == "conv1d" || node.op->name == "conv2d")
      windows_[i] = std::make_shared<Window>(window_of(node, nodes[static_cast<size_t>(node.inputs[0])].shape));
    if (node.op->name == "batch_norm1d" || node.op->name == "batch_norm2d")
      fold_batch_norm(node, fused_affine, &alphas_[i], &betas_[i]);
  }
  check(sources == 1, "evaluator: the graph has ", sources, " inputs; one is supported");
  ++readers_[static_cast<size_t>(graph_.output())];
  inputs_ = elements(nodes.front());
  outputs_ = elements(nodes[static_cast<size_t>(graph_.output())]);
  together_ = static_cast<int>(
      std::clamp<int64_t>(kTogetherBytes / (std::max<int64_t>(values, 1) * kGroupBytes), 1, kMostTogether));
  plan({});  // every layer has its weights, or the constructor says which has not
}

Plan Planner::plan(const Config& config, std::vector<ObservedLayer>* observed) const {
  std::map<std::string, const NodeFormat*> formats;
  for (const NodeFormat& format : config) formats[format.node] = &format;
  const std::lock_guard lock(mutex_);
  PlanBuilder builder(*this, observed);
  size_t used = 0;
  for (size_t i = 0; i < graph_.nodes().size(); ++i) {
    const auto found = formats.find(graph_.nodes()[i].name);
    used += found != formats.end();
    builder.add(i, found == formats.end() ? nullptr : found->second);
  }
  check(used == formats.size(), "evaluator: the config names a node that the graph lacks");
  return builder.finish();
}

std::vector<std::string> nodes_for_torch(const ir::Graph& graph) {
  std::vector<std::string> found;
  for (const Node& node : graph.nodes()) {
    std::vector<const Node*> inputs;
    for (const int from : node.inputs) inputs.push_back(&graph.nodes()[static_cast<size_t>(from)]);
    if (!in_core(node) || !makes_step(node, inputs)) found.push_back(node.name);
  }
  return found;
}

}  // namespace chop::evaluator
