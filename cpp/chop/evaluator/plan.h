// A lowered graph and a quantization config become a list of kernel calls.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "chop/core/fixed_point.h"
#include "chop/ir/graph.h"
#include "chop/kernels/kernels.h"

namespace chop::evaluator {

// What a config says of one node: a quantizer and a format for each operand. Nodes that are not named stay float.
struct NodeFormat {
  std::string node;
  std::string quantizer;
  std::map<std::string, FixedPoint> operands;
};
using Config = std::vector<NodeFormat>;

// How a layer is computed, and why. bound: the largest |sum| that any input can give, in units of the finest grid.
enum class Road { float32, exact_float32, float64 };
const char* road_name(Road road);

struct LayerReport {
  std::string node;
  Road road;
  double bound;  // 0 for a float layer
};

struct Step {
  enum class Kind { elementwise, linear };
  Kind kind = Kind::elementwise;
  int rows_in = 0, rows_out = 0;  // features before and after
  // elementwise; alpha and beta own what op points to
  Elementwise op;
  std::vector<float> alpha, beta;
  // linear; weights as values on the grid, so that codes come in and values go out
  Road road = Road::float32;
  std::vector<float> weight, bias;
  std::vector<double> weight64, bias64;
};

// Whether two steps do the same to the same input. NaN weights make them differ, which costs time only.
bool same_work(const Step& a, const Step& b);

struct Plan {
  std::vector<Step> steps;
  std::vector<int> key;  // the formats in the order of the chain: plans with near keys share their first steps
  std::vector<LayerReport> layers;
  int width = 0;  // most features of any block
};

// Makes plans for one graph, which must be a chain of the operations that the evaluator knows.
class Planner {
 public:
  // fused_affine: BatchNorm with one rounding, as torch computes it on processors with FMA.
  Planner(ir::Graph graph, bool fused_affine);

  Plan plan(const Config& config) const;
  const ir::Graph& graph() const { return graph_; }
  int features() const { return features_; }
  int classes() const { return classes_; }

 private:
  ir::Graph graph_;
  std::vector<const ir::Node*> chain_;
  bool fused_affine_;
  int features_ = 0, classes_ = 0;
};

}  // namespace chop::evaluator
