// Makes plans for one graph. Steps and packed weights are kept from plan to plan, so that equal parts of two plans are
// the same objects.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "chop/core/fork.h"
#include "chop/evaluator/layer.h"
#include "chop/evaluator/layer_observer.h"
#include "chop/evaluator/plan.h"
#include "chop/evaluator/planes.h"
#include "chop/evaluator/step_cache.h"
#include "chop/ir/graph.h"

namespace chop::evaluator {

// What a plan needs of a node, side by side in memory: a plan is made for each trial, with everything else in the
// caches.
struct NodeFacts {
  enum class Kind { input, product, affine, relu, reshape, float_op };

  std::string name;
  Kind kind = Kind::float_op;
  int channels = 1, places = 1;               // row = channel * places + place
  int readers = 0;                            // the graph's output has one more
  TorchCallPtr call;                          // null: the core computes it
  std::shared_ptr<const Window> window;       // of a linear layer or a convolution
  std::shared_ptr<const PlaneWindow> planes;  // of a convolution or a pool on planes, where there are any
  std::vector<float> alpha, beta;             // of a BatchNorm, folded
  double gain = 0.0, offset = 0.0;            // the largest of their magnitudes
};

class Planner {
 public:
  // largest_input: no |number| of the data is larger; infinite if there are infinities or NaN.
  // fused_affine: BatchNorm with one rounding, as torch computes it on processors with FMA.
  // calls: for the nodes that torch computes, by name; of operations that the core does not run, all are needed.
  // rows: of the data; they decide, with the graph, what lanes hold, which changes no number.
  Planner(ir::Graph graph, double largest_input, bool fused_affine, std::map<std::string, TorchCallPtr> calls = {},
          int64_t rows = 0);

  // Throws std::invalid_argument that names the node. May be called from several threads.
  // observed: filled, if it is not null, with the layers on grids, whose inputs the plan then keeps in floats.
  Plan plan(const Config& config, std::vector<ObservedLayer>* observed = nullptr) const;

  const ir::Graph& graph() const { return graph_; }
  int inputs() const { return inputs_; }    // numbers in a row of data
  int outputs() const { return outputs_; }  // and in a row of the result
  int images() const { return images_; }    // side by side in planes; 0: lanes hold samples
  // How many blocks torch gets at a time: a call costs much, and memory is finite. The same for every config, because
  // torch's sums may depend on it.
  int together() const { return together_; }

 private:
  friend class PlanBuilder;

  ir::Graph graph_;
  double largest_input_;
  bool fused_affine_;
  int images_;
  int inputs_ = 0, outputs_ = 0, together_ = 1;
  std::vector<NodeFacts> facts_;
  mutable ForkMutex mutex_;
  mutable StepCache<Step> steps_;
  mutable StepCache<Layer> layers_;
  mutable WeightCache weights_;
};

// Names of the nodes that only torch can compute.
std::vector<std::string> nodes_for_torch(const ir::Graph& graph);

}  // namespace chop::evaluator
