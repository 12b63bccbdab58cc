#include "chop/ir/shape_rules.h"

#include <algorithm>

#include "chop/core/check.h"

namespace chop::ir {
namespace {

void check_channels(const Node& node, const Shape& shape, const char* what) {
  for (const Parameter& p : node.parameters)
    check(p.shape == Shape{shape[1]}, "node ", node.name, ": ", node.op->name, " has ", shape[1], " ", what, ", its ",
          p.name, " has ", shape_text(p.shape));
}

}  // namespace

size_t dimension(const Node& node, int64_t dim, size_t rank) {
  const auto size = static_cast<int64_t>(rank);
  check(dim >= -size && dim < size, "node ", node.name, ": ", node.op->name, " has no dimension ", dim, " among ",
        rank);
  return static_cast<size_t>(dim < 0 ? dim + size : dim);
}

int64_t multiply(const Node& node, int64_t a, int64_t b) {
  int64_t product = 0;
  check(!__builtin_mul_overflow(a, b, &product), "node ", node.name, ": too many elements");
  return product;
}

Shape input_shape(const Node& node, const Shapes&) {
  check(!node.shape.empty() && node.shape.front() == kBatch &&
            std::count(node.shape.begin(), node.shape.end(), kBatch) == 1,
        "node ", node.name, ": an input needs a shape whose first dimension is the batch, and no other");
  return node.shape;
}

Shape opaque_shape(const Node& node, const Shapes&) {
  Shape shape{kBatch};
  for (const int64_t size : node.list("shape")) {
    check(size >= 0, "node ", node.name, ": ", node.op->name, " gives a negative size, ", size);
    shape.push_back(size);
  }
  return shape;
}

Shape same_shape(const Node&, const Shapes& inputs) { return inputs[0]; }

Shape along_dim_shape(const Node& node, const Shapes& inputs) {
  dimension(node, node.integer("dim"), inputs[0].size());
  return inputs[0];
}

Shape linear_shape(const Node& node, const Shapes& inputs) {
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

Shape batch_norm1d_shape(const Node& node, const Shapes& inputs) {
  const Shape& shape = inputs[0];
  check(shape.size() == 2 || shape.size() == 3, "node ", node.name,
        ": batch_norm1d takes two or three dimensions, got ", shape_text(shape));
  check_channels(node, shape, "features");
  return shape;
}

Shape batch_norm2d_shape(const Node& node, const Shapes& inputs) {
  const Shape& shape = inputs[0];
  check(shape.size() == 4, "node ", node.name, ": batch_norm2d takes four dimensions, got ", shape_text(shape));
  check_channels(node, shape, "channels");
  return shape;
}

Shape layer_norm_shape(const Node& node, const Shapes& inputs) {
  const Shape &shape = inputs[0], &tail = node.list("normalized_shape");
  check(!tail.empty() && tail.size() <= shape.size() && std::equal(tail.rbegin(), tail.rend(), shape.rbegin()) &&
            std::count(tail.begin(), tail.end(), kBatch) == 0,
        "node ", node.name, ": layer_norm normalizes ", shape_text(tail), ", its input has ", shape_text(shape));
  for (const Parameter& p : node.parameters)
    check(p.shape == tail, "node ", node.name, ": layer_norm normalizes ", shape_text(tail), ", its ", p.name, " has ",
          shape_text(p.shape));
  return shape;
}

Shape group_norm_shape(const Node& node, const Shapes& inputs) {
  const Shape& shape = inputs[0];
  const int64_t groups = node.integer("num_groups");
  check(shape.size() >= 2 && shape[1] != kBatch && groups >= 1 && shape[1] % groups == 0, "node ", node.name,
        ": group_norm with ", groups, " groups does not fit ", shape_text(shape));
  check_channels(node, shape, "channels");
  return shape;
}

Shape embedding_shape(const Node& node, const Shapes& inputs) {
  const Parameter& weight = *node.parameter("weight");
  check(weight.shape.size() == 2, "node ", node.name, ": embedding needs a weight of two dimensions, got ",
        shape_text(weight.shape));
  Shape shape = inputs[0];
  shape.push_back(weight.shape[1]);
  return shape;
}

Shape prelu_shape(const Node& node, const Shapes& inputs) {
  const Shape &weight = node.parameter("weight")->shape, &shape = inputs[0];
  check(weight == Shape{1} || weight.empty() || (shape.size() >= 2 && weight == Shape{shape[1]}), "node ", node.name,
        ": prelu needs one weight or one for each channel of ", shape_text(shape), ", got ", shape_text(weight));
  return shape;
}

}  // namespace chop::ir
