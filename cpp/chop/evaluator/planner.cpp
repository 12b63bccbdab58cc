#include "chop/evaluator/planner.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "chop/core/check.h"
#include "chop/evaluator/plan_builder.h"
#include "chop/evaluator/torch_step.h"

namespace chop::evaluator {
namespace {

using ir::Node;

constexpr int kMostTogether = 64;
constexpr int64_t kTogetherBytes = int64_t{64} << 20;  // of all values of the blocks that go together, for one thread

constexpr size_t kMostStepBytes = size_t{64} << 20, kMostLayerBytes = size_t{256} << 20;

using Kind = NodeFacts::Kind;

// Operations that the builder knows itself; the others are in float_ops(). Reshaping needs no work while the batch
// stays first, which `elements` has made sure of.
const std::map<std::string, Kind> kOwnKinds{
    {"input", Kind::input},    {"linear", Kind::product},      {"conv1d", Kind::product},
    {"conv2d", Kind::product}, {"batch_norm1d", Kind::affine}, {"batch_norm2d", Kind::affine},
    {"relu", Kind::relu},      {"identity", Kind::reshape},    {"flatten", Kind::reshape},
    {"view", Kind::reshape},   {"squeeze", Kind::reshape},     {"unsqueeze", Kind::reshape}};

bool in_core(const Node& node) {
  return kOwnKinds.count(node.op->name) > 0 || float_ops().members().count(node.op->name) > 0;
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
void fold_batch_norm(const Node& node, bool fused, NodeFacts* facts) {
  const std::vector<float>& mean = node.values("running_mean");
  const std::vector<float>& variance = node.values("running_var");
  const float* gamma = node.parameter("weight") ? node.values("weight").data() : nullptr;
  const float* shift = node.parameter("bias") ? node.values("bias").data() : nullptr;
  const auto eps = static_cast<float>(node.attribute("eps"));
  for (size_t c = 0; c < mean.size(); ++c) {
    const float inverse = 1.0f / std::sqrt(variance[c] + eps);
    const float alpha = gamma ? inverse * gamma[c] : inverse;
    const float bias = shift ? shift[c] : 0.0f;
    const float beta = fused ? std::fma(-mean[c], alpha, bias) : bias - mean[c] * alpha;
    facts->alpha.push_back(alpha);
    facts->beta.push_back(beta);
    facts->gain = larger(facts->gain, std::fabs(static_cast<double>(alpha)));
    facts->offset = larger(facts->offset, std::fabs(static_cast<double>(beta)));
  }
}

NodeFacts facts_of(const Node& node, const std::vector<Node>& nodes, bool fused_affine) {
  NodeFacts facts;
  facts.name = node.name;
  facts.channels = node.shape.size() > 1 ? static_cast<int>(node.shape[1]) : 1;
  facts.places = elements(node) / facts.channels;
  const auto own = kOwnKinds.find(node.op->name);
  if (own != kOwnKinds.end()) facts.kind = own->second;
  if (facts.kind == Kind::product)
    facts.window = std::make_shared<Window>(window_of(node, nodes[static_cast<size_t>(node.inputs[0])].shape));
  if (facts.kind == Kind::affine) fold_batch_norm(node, fused_affine, &facts);
  return facts;
}

// Null for what works on no window of places.
std::shared_ptr<const PlaneWindow> planes_of(const Node& node, const std::vector<Node>& nodes, const NodeFacts& facts,
                                             int images) {
  if (facts.window && !facts.window->channels_last) return plane_window(*facts.window, images);
  if (!is_max_pool(node)) return nullptr;
  return plane_window(pool_window(node, nodes[static_cast<size_t>(node.inputs[0])].shape), images);
}

// Throws what every plan would throw; weights are packed when a plan wants them.
void check_runs(const Node& node, const std::vector<Node>& nodes, const NodeFacts& facts) {
  std::vector<const Node*> inputs;
  std::vector<int> sizes;
  for (const int from : node.inputs) {
    inputs.push_back(&nodes[static_cast<size_t>(from)]);
    sizes.push_back(elements(*inputs.back()));
  }
  if (facts.call) {
    TorchStep(facts.call, std::move(sizes), elements(node));
  } else if (facts.kind == Kind::product) {
    node.values("weight");
    if (node.parameter("bias")) node.values("bias");
  } else if (facts.kind == Kind::float_op) {
    float_ops().get(node.op->name).make(node, inputs);
  }
}

}  // namespace

Planner::Planner(ir::Graph graph, double largest_input, bool fused_affine, std::map<std::string, TorchCallPtr> calls,
                 int64_t rows)
    : graph_(std::move(graph)),
      largest_input_(largest_input),
      fused_affine_(fused_affine),
      images_(images_together(graph_, rows)),
      steps_(kMostStepBytes),
      layers_(kMostLayerBytes),
      weights_(kMostLayerBytes) {
  const std::vector<Node>& nodes = graph_.nodes();
  size_t sources = 0;
  int64_t values = 0;
  for (const Node& node : nodes) {
    values += elements(node);
    const auto call = calls.find(node.name);
    check(in_core(node) || call != calls.end(), "evaluator: node ", node.name, " (", node.op->name,
          ") is of a kind that the evaluator does not run");
    facts_.push_back(facts_of(node, nodes, fused_affine));
    if (images_ > 0) facts_.back().planes = planes_of(node, nodes, facts_.back(), images_);
    if (call != calls.end()) facts_.back().call = call->second;
    sources += facts_.back().kind == Kind::input;
    for (const int from : node.inputs) ++facts_[static_cast<size_t>(from)].readers;
  }
  check(sources == 1, "evaluator: the graph has ", sources, " inputs; one is supported");
  ++facts_[static_cast<size_t>(graph_.output())].readers;
  inputs_ = elements(nodes.front());
  outputs_ = elements(nodes[static_cast<size_t>(graph_.output())]);
  together_ = static_cast<int>(
      std::clamp<int64_t>(kTogetherBytes / (std::max<int64_t>(values, 1) * kGroupBytes), 1, kMostTogether));
  for (size_t i = 0; i < nodes.size(); ++i) check_runs(nodes[i], nodes, facts_[i]);
}

Plan Planner::plan(const Config& config, std::vector<ObservedLayer>* observed) const {
  const std::lock_guard lock(mutex_);
  PlanBuilder builder(*this, observed);
  size_t used = 0;
  for (size_t i = 0; i < facts_.size(); ++i) {
    const NodeFormat* format = nullptr;
    // Configs mostly name the nodes in the graph's order.
    for (size_t k = 0; k < config.size() && !format; ++k) {
      const NodeFormat& candidate = config[(used + k) % config.size()];
      if (candidate.node == facts_[i].name) format = &candidate;
    }
    used += format != nullptr;
    builder.add(i, format);
  }
  check(used == config.size(), "evaluator: the config names a node that the graph lacks, or one twice");
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
