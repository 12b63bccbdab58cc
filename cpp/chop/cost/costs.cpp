#include "chop/cost/costs.h"

#include <algorithm>

#include "chop/core/check.h"
#include "chop/cost/work.h"

namespace chop::cost {
namespace {

ir::Shape with_batch(ir::Shape shape, int64_t batch) {
  std::replace(shape.begin(), shape.end(), ir::kBatch, batch);
  return shape;
}

// The width at which one reader takes its input number `place`.
double taken(const Operation& reader, const Widths& widths, size_t place) {
  if (reader.is_view) return widths.result;
  return reader.is_matrix_product && place == 1 ? widths.weight : widths.data_in;
}

}  // namespace

Costs::Costs(ir::Graph graph, int64_t batch, const std::vector<std::string>& models,
             const std::set<std::pair<std::string, std::string>>& repeated)
    : graph_(std::move(graph)) {
  check(batch >= 1, "cost: the batch must be 1 or more, got ", batch);
  for (const ir::Node& node : graph_.nodes()) {
    Operation o;
    o.node = &node;
    for (const int input : node.inputs)
      o.inputs.push_back(with_batch(graph_.nodes()[static_cast<size_t>(input)].shape, batch));
    o.output = with_batch(node.shape, batch);
    measure(o);
    for (const ir::Parameter& p : node.parameters) {
      if (repeated.count({node.name, p.name})) continue;
      if (p.name == "weight") o.weights += element_count(p.shape);
      if (p.name == "bias") o.biases += element_count(p.shape);
    }
    operations_.push_back(std::move(o));
  }
  for (const std::string& name : models) {
    Bound bound{&registry().get(name), {}};
    for (const Operation& o : operations_) {
      const auto own = bound.model->rules.find(o.node->op->name);
      bound.rules.push_back(own == bound.model->rules.end() ? bound.model->otherwise : own->second);
    }
    models_.push_back(std::move(bound));
  }
}

std::vector<Widths> Costs::widths(const Config& config) const {
  std::vector<Widths> widths(operations_.size());
  for (const NodeWidths* node : config) {
    check(node->node >= 0 && static_cast<size_t>(node->node) < widths.size(), "cost: there is no node ", node->node);
    widths[static_cast<size_t>(node->node)] = node->widths;
  }
  fill_in_results(widths);
  return widths;
}

// From the back: a result is kept as wide as its most demanding reader needs it, the output as a float.
void Costs::fill_in_results(std::vector<Widths>& widths) const {
  for (Widths& w : widths) w.result = 0;
  widths[static_cast<size_t>(graph_.output())].result = kFloatBits;
  for (size_t i = operations_.size(); i-- > 0;) {
    if (widths[i].result == 0) widths[i].result = kFloatBits;  // nobody reads it
    const std::vector<int>& inputs = operations_[i].node->inputs;
    for (size_t place = 0; place < inputs.size(); ++place) {
      double& result = widths[static_cast<size_t>(inputs[place])].result;
      result = std::max(result, taken(operations_[i], widths[i], place));
    }
  }
}

std::vector<Figures> Costs::figures(const Config& config) const {
  const std::vector<Widths> bits = widths(config);
  std::vector<Figures> found;
  for (const Bound& bound : models_) {
    Figures figures{std::vector<double>(operations_.size()), 0};
    figures.total = apply(bound, bits, figures.nodes);
    found.push_back(std::move(figures));
  }
  return found;
}

std::vector<double> Costs::totals(const Config& config) const {
  const std::vector<Widths> bits = widths(config);
  std::vector<double> nodes(operations_.size()), totals;
  totals.reserve(models_.size());
  for (const Bound& bound : models_) totals.push_back(apply(bound, bits, nodes));
  return totals;
}

double Costs::apply(const Bound& bound, const std::vector<Widths>& bits, std::vector<double>& nodes) const {
  for (size_t i = 0; i < operations_.size(); ++i) nodes[i] = bound.rules[i](operations_[i], bits[i]);
  return bound.model->total(operations_, nodes);
}

}  // namespace chop::cost
