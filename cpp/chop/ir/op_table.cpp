#include "chop/ir/op_table.h"

#include "chop/core/check.h"
#include "chop/ir/graph.h"

namespace chop::ir {
namespace {

Shape input_shape(const Node& node, const std::vector<Shape>&) {
  check(!node.shape.empty() && node.shape.front() == kBatch, "node ", node.name,
        ": an input needs a shape whose first dimension is the batch");
  return node.shape;
}

Shape same_shape(const Node&, const std::vector<Shape>& inputs) { return inputs[0]; }

Shape linear_shape(const Node& node, const std::vector<Shape>& inputs) {
  const Parameter& weight = *node.parameter("weight");
  check(weight.shape.size() == 2, "node ", node.name, ": linear needs a weight of two dimensions, got ",
        shape_text(weight.shape));
  Shape shape = inputs[0];
  check(shape.size() >= 2 && shape.back() == weight.shape[1], "node ", node.name, ": linear takes ", weight.shape[1],
        " features, its input has ", shape_text(shape));
  const Parameter* bias = node.parameter("bias");
  check(!bias || bias->shape == Shape{weight.shape[0]}, "node ", node.name, ": linear gives ", weight.shape[0],
        " features, its bias has ", bias ? shape_text(bias->shape) : "");
  shape.back() = weight.shape[0];
  return shape;
}

Shape batch_norm1d_shape(const Node& node, const std::vector<Shape>& inputs) {
  const Shape& shape = inputs[0];
  check(shape.size() == 2 || shape.size() == 3, "node ", node.name,
        ": batch_norm1d takes two or three dimensions, got ", shape_text(shape));
  for (const Parameter& p : node.parameters)
    check(p.shape == Shape{shape[1]}, "node ", node.name, ": batch_norm1d has ", shape[1], " features, its ", p.name,
          " has ", shape_text(p.shape));
  return shape;
}

}  // namespace

const std::vector<Op>& op_table() {
  static const std::vector<Op> table = {
      {"input", 0, {}, {}, {}, {}, input_shape},
      {"linear", 1, {"weight"}, {"bias"}, {}, {"data_in", "weight", "bias"}, linear_shape},
      {"batch_norm1d", 1, {"running_mean", "running_var"}, {"weight", "bias"}, {"eps"}, {}, batch_norm1d_shape},
      {"relu", 1, {}, {}, {}, {"data_in"}, same_shape},
      {"identity", 1, {}, {}, {}, {}, same_shape},
  };
  return table;
}

const Op& find_op(const std::string& name) {
  std::string known;
  for (const Op& op : op_table()) {
    if (op.name == name) return op;
    known += (known.empty() ? "" : ", ") + op.name;
  }
  fail("operation '", name, "' is not known; known: ", known);
}

std::string shape_text(const Shape& shape) {
  std::string text;
  for (const int64_t size : shape) {
    if (!text.empty()) text += 'x';
    text += size == kBatch ? "?" : std::to_string(size);
  }
  return text.empty() ? "scalar" : text;
}

}  // namespace chop::ir
