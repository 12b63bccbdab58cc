// The cost models of one graph at one batch size: operations are counted once, a config is a value handed in.
#pragma once

#include <string>
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

enum class Operand { data_in, weight, bias };

// A learnable tensor: the first of those that read it owns it, and it is stored at the width of the most demanding one.
struct Stored {
  struct Reader {
    int node = 0;
    Operand operand = Operand::weight;
  };
  double numbers = 0;
  std::vector<Reader> readers;  // Costs puts the owner first
};

class Costs {
 public:
  // outputs: positions of the operations whose results leave the graph.
  Costs(std::vector<Operation> operations, std::vector<int> outputs, std::vector<Stored> parameters,
        const std::vector<std::string>& models);

  // In the order of the models.
  std::vector<double> totals(const Config& config) const;
  std::vector<Figures> figures(const Config& config) const;

  std::vector<Widths> widths(const Config& config) const;

 private:
  double apply(const Model& model, const std::vector<Widths>& bits, std::vector<double>& nodes) const;
  void fill_in_results(std::vector<Widths>& widths) const;
  void fill_in_stored(std::vector<Widths>& widths) const;
  void check_position(int position) const;

  std::vector<Operation> operations_;
  std::vector<int> outputs_;
  std::vector<Stored> parameters_;
  std::vector<const Model*> models_;
};

}  // namespace chop::cost
