#include "chop/cost/costs.h"

#include <algorithm>

#include "chop/core/check.h"

namespace chop::cost {
namespace {

// The width at which one reader takes its input number `place`.
double taken(const Operation& reader, const Widths& widths, size_t place) {
  if (reader.is_view) return widths.result;
  return reader.multiplies_nodes && place == 1 ? widths.weight.width : widths.data_in.width;
}

double width_of(const Widths& widths, Operand operand) {
  if (operand == Operand::data_in) return widths.data_in.width;
  return operand == Operand::weight ? widths.weight.width : widths.bias.width;
}

// Whose weight a shared parameter is: a layer's that can be quantized before, say, an embedding's, which never is.
int rank(const Operation& reader, Operand operand) {
  if (operand != Operand::weight || !reader.is_layer) return 0;
  return reader.is_linear_layer ? 2 : 1;
}

}  // namespace

Costs::Costs(std::vector<Operation> operations, std::vector<int> outputs, std::vector<Stored> parameters,
             const std::vector<std::string>& models)
    : operations_(std::move(operations)), outputs_(std::move(outputs)), parameters_(std::move(parameters)) {
  for (size_t i = 0; i < operations_.size(); ++i)
    for (const int input : operations_[i].inputs)
      check(input < static_cast<int>(i), "cost: operation ", operations_[i].name, " reads one that comes after it");
  for (const int output : outputs_) check_position(output);
  for (Stored& parameter : parameters_) {
    check(!parameter.readers.empty(), "cost: a parameter that no node reads");
    for (const Stored::Reader& reader : parameter.readers) check_position(reader.node);
    const auto by_rank = [this](const Stored::Reader& a, const Stored::Reader& b) {
      return rank(operations_[static_cast<size_t>(a.node)], a.operand) <
             rank(operations_[static_cast<size_t>(b.node)], b.operand);
    };
    const auto owner = std::max_element(parameter.readers.begin(), parameter.readers.end(), by_rank);
    std::rotate(parameter.readers.begin(), owner, owner + 1);
    const Stored::Reader& first = parameter.readers.front();
    Operation& o = operations_[static_cast<size_t>(first.node)];
    (first.operand == Operand::bias ? o.biases : o.weights) += parameter.numbers;
  }
  for (const std::string& name : models) models_.push_back(&registry().get(name));
}

void Costs::check_position(int position) const {
  check(position >= 0 && static_cast<size_t>(position) < operations_.size(), "cost: there is no node ", position);
}

std::vector<Widths> Costs::widths(const Config& config) const {
  std::vector<Widths> widths(operations_.size());
  for (const NodeWidths* node : config) {
    check_position(node->node);
    widths[static_cast<size_t>(node->node)] = node->widths;
  }
  fill_in_results(widths);
  fill_in_stored(widths);
  return widths;
}

// From the back: a result is kept as wide as its most demanding reader needs it, the output as a float.
void Costs::fill_in_results(std::vector<Widths>& widths) const {
  for (Widths& w : widths) w.result = 0;
  for (const int output : outputs_) widths[static_cast<size_t>(output)].result = kFloatBits;
  for (size_t i = operations_.size(); i-- > 0;) {
    if (widths[i].result == 0) widths[i].result = kFloatBits;  // nobody reads it
    const std::vector<int>& inputs = operations_[i].inputs;
    for (size_t place = 0; place < inputs.size(); ++place) {
      if (inputs[place] < 0) continue;
      double& result = widths[static_cast<size_t>(inputs[place])].result;
      result = std::max(result, taken(operations_[i], widths[i], place));
    }
  }
}

// A float reader needs the parameter as a float; what a config says of it counts for its owner, whoever reads it.
void Costs::fill_in_stored(std::vector<Widths>& widths) const {
  for (Widths& w : widths) w.stored = 0;
  for (const Stored& parameter : parameters_) {
    Widths& owner = widths[static_cast<size_t>(parameter.readers.front().node)];
    double bits = 0;
    for (const Stored::Reader& reader : parameter.readers) {
      const Widths& w = widths[static_cast<size_t>(reader.node)];
      bits = std::max(bits, width_of(w, reader.operand));
      if (reader.operand == Operand::weight && w.configured)
        owner.configured = std::max(owner.configured.value_or(0), *w.configured);
    }
    owner.stored += parameter.numbers * bits;
  }
}

std::vector<Figures> Costs::figures(const Config& config) const {
  const std::vector<Widths> bits = widths(config);
  std::vector<Figures> found;
  for (const Model* model : models_) {
    Figures figures{std::vector<double>(operations_.size()), 0};
    figures.total = apply(*model, bits, figures.nodes);
    found.push_back(std::move(figures));
  }
  return found;
}

std::vector<double> Costs::totals(const Config& config) const {
  const std::vector<Widths> bits = widths(config);
  std::vector<double> nodes(operations_.size()), totals;
  totals.reserve(models_.size());
  for (const Model* model : models_) totals.push_back(apply(*model, bits, nodes));
  return totals;
}

double Costs::apply(const Model& model, const std::vector<Widths>& bits, std::vector<double>& nodes) const {
  for (size_t i = 0; i < operations_.size(); ++i) nodes[i] = model.rule(operations_[i], bits[i]);
  return model.total(operations_, nodes);
}

}  // namespace chop::cost
