// One plan in the making. A value is not computed before its readers are known: what is done to single numbers on the
// way becomes the ending of the step before or the beginning of the one after.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "chop/evaluator/layer_observer.h"
#include "chop/evaluator/plan.h"
#include "chop/evaluator/planner.h"
#include "chop/evaluator/product_steps.h"

namespace chop::evaluator {

// What a node's output stands for while the plan is made.
struct Value {
  int block = -1;   // where it is, in floats, before `pending`; -1: in `layer`, which is not run yet
  int source = -1;  // the block that `layer` reads
  int addend = -1;  // the block of floats that is added behind `affine`; -1: none
  std::shared_ptr<const Window> window;
  std::shared_ptr<const Layer> layer;
  Key key;  // names the layer and what is pending

  bool open = false;                  // whether anything is pending
  const NodeFacts* affine = nullptr;  // whose alpha and beta are pending, one per channel
  Elementwise pending;
  int capped = -1;  // the node of a ReLU6 that is pending, behind the others; -1: none

  int channels = 0, places = 1;  // row = channel * places + place
  // On planes, `places` are rows of one channel, and this is the number of places of an image; else 0.
  int plane = 0;
  std::shared_ptr<const PlaneWindow> window_on_planes;  // beside `window`
  int readers = 1;
  Range range{};

  int rows() const { return channels * places; }
};

class PlanBuilder {
 public:
  // observed: where to note the inputs of layers on grids, which then stay in floats; null: nothing is noted.
  PlanBuilder(const Planner& planner, std::vector<ObservedLayer>* observed) : planner_(planner), observed_(observed) {
    plan_.images = observed ? 0 : planner.images();  // observers read samples
  }

  // Nodes in the graph's order. format: null for a node that stays float.
  void add(size_t index, const NodeFormat* format);
  Plan finish();

 private:
  void input_value(size_t index);
  void product(const ir::Node& node, size_t index, const NodeFormat* format);
  void affine(const ir::Node& node, size_t index);
  void relu(const ir::Node& node, const NodeFormat* format);
  void relu6(const ir::Node& node, size_t index, const NodeFormat* format);
  void float_op(const ir::Node& node, size_t index, const NodeFormat* format);
  void reshape(const ir::Node& node, size_t index);
  void torch_call(const ir::Node& node, size_t index, const TorchCallPtr& call);

  // Layouts, in plan_planes.cpp. A value that an operation cannot read on planes is joined: see planes.h.
  Value on_planes(size_t index, int block) const;
  Value plane_input(size_t index);
  void join(Value* value);
  bool plane_op(const ir::Node& node, size_t index, const NodeFormat* format);  // false: not one of those
  StepPtr product_step(const Value& value, Ending ending) const;
  int push_product(const Value& value, Encoding to, int zero);
  bool add_behind(const ir::Node& node);  // false: neither input is a product that can add the other one

  // The inputs' blocks, on the grids of the format; joined: as blocks of samples.
  struct Settled {
    std::vector<int> blocks;
    std::vector<Range> ranges;
  };
  Settled settled_inputs(const ir::Node& node, const NodeFormat* format, bool joined);

  Value& input(const ir::Node& node, size_t i) { return values_[static_cast<size_t>(node.inputs[i])]; }
  const NodeFacts& facts(size_t index) const { return planner_.facts_[index]; }
  Value shaped(size_t index, int block) const;
  Value taken(Value& from);  // the value for one reader, who may go on with what is pending
  void round(Value* value, const NodeFormat& format, const FixedPoint& grid, Rounding rounding);
  // rows: a format for each row, whose common one `grid` is.
  void round_rows(Value* value, const NodeFormat& format, const ElementFormats& rows, const FixedPoint& grid,
                  Rounding rounding);
  // Data on the grid, or the grids, of an operand that has no sums: values. Noted for an observer.
  void round_data(Value* value, const ir::Node& node, const NodeFormat& format, const std::string& operand);
  void cap(Value* value);  // computes the ReLU6 that is pending on a block
  // Data to the values of a format; shape: of the data, the batch first.
  void to_values(Value* value, const quantizers::BoundFormat& format, const ir::Shape& shape, const std::string& node);
  int settle(Value* value);  // the block of its floats, nothing pending
  static Stage stage(const Value& value) { return value.plane > 0 ? Stage::planes : Stage::rows; }
  int encode(Value* value, const Window& reader, const Layer& layer);
  int push(const Key& key, std::vector<int> inputs, const std::function<StepPtr()>& make, Stage stage = Stage::rows);
  Ending ending(const Value& value, const std::vector<int32_t>* rows) const;

  const Planner& planner_;
  std::vector<ObservedLayer>* observed_;
  std::vector<Value> values_;
  Plan plan_;
};

}  // namespace chop::evaluator
