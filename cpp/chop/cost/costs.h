// The cost models of one graph at one batch size: shapes are filled in once, a config is a value handed in.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "chop/cost/model.h"

namespace chop::cost {

struct NodeWidths {
  int node = 0;  // position in the graph
  Widths widths;
};
using Config = std::vector<const NodeWidths*>;  // nodes that are not named are float

struct Figures {
  std::vector<double> nodes;  // NaN where the model says nothing of a node
  double total = 0;
};

class Costs {
 public:
  // repeated: (node, parameter) pairs that an earlier node owns, so that they are counted once.
  Costs(ir::Graph graph, int64_t batch, const std::vector<std::string>& models,
        const std::set<std::pair<std::string, std::string>>& repeated);

  Costs(const Costs&) = delete;  // operations point into the graph
  Costs& operator=(const Costs&) = delete;

  // In the order of the models.
  std::vector<double> totals(const Config& config) const;
  std::vector<Figures> figures(const Config& config) const;

  const std::vector<Operation>& operations() const { return operations_; }
  std::vector<Widths> widths(const Config& config) const;

 private:
  struct Bound {  // a model with its rule for each node looked up
    const Model* model;
    std::vector<Rule> rules;
  };

  double apply(const Bound& bound, const std::vector<Widths>& bits, std::vector<double>& nodes) const;
  void fill_in_results(std::vector<Widths>& widths) const;

  ir::Graph graph_;
  std::vector<Operation> operations_;
  std::vector<Bound> models_;
};

}  // namespace chop::cost
