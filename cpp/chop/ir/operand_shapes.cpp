// Shapes of what combines values: arithmetic with broadcasting, products of matrices, joining, reductions.
#include <algorithm>

#include "chop/core/check.h"
#include "chop/ir/shape_rules.h"

namespace chop::ir {
namespace {

Shape broadcast(const Node& node, const Shape& a, const Shape& b) {
  Shape shape(std::max(a.size(), b.size()));
  for (size_t i = 0; i < shape.size(); ++i) {  // from the back
    const int64_t left = i < a.size() ? a[a.size() - 1 - i] : 1, right = i < b.size() ? b[b.size() - 1 - i] : 1;
    check(left == right || left == 1 || right == 1, "node ", node.name, ": ", node.op->name, " cannot combine ",
          shape_text(a), " with ", shape_text(b));
    shape[shape.size() - 1 - i] = left == 1 ? right : left;
  }
  return shape;
}

}  // namespace

Shape broadcast_shape(const Node& node, const Shapes& inputs) { return broadcast(node, inputs[0], inputs[1]); }

Shape matmul_shape(const Node& node, const Shapes& inputs) {
  Shape a = inputs[0], b = inputs[1];
  check(!a.empty() && !b.empty(), "node ", node.name, ": matmul takes no scalars");
  const bool row = a.size() == 1, column = b.size() == 1;
  if (row) a.insert(a.begin(), 1);
  if (column) b.push_back(1);
  const size_t ra = a.size(), rb = b.size();
  check(a[ra - 1] == b[rb - 2], "node ", node.name, ": matmul of ", shape_text(inputs[0]), " and ",
        shape_text(inputs[1]), ": the inner sizes differ");
  Shape shape = broadcast(node, Shape(a.begin(), a.end() - 2), Shape(b.begin(), b.end() - 2));
  if (!row) shape.push_back(a[ra - 2]);
  if (!column) shape.push_back(b[rb - 1]);
  return shape;
}

Shape bmm_shape(const Node& node, const Shapes& inputs) {
  const Shape &a = inputs[0], &b = inputs[1];
  check(a.size() == 3 && b.size() == 3 && a[0] == b[0] && a[2] == b[1], "node ", node.name, ": bmm cannot multiply ",
        shape_text(a), " with ", shape_text(b));
  return {a[0], a[1], b[2]};
}

Shape cat_shape(const Node& node, const Shapes& inputs) {
  Shape shape = inputs[0];
  const size_t dim = dimension(node, node.integer("dim"), shape.size());
  for (size_t i = 1; i < inputs.size(); ++i) {
    Shape expected = inputs[i];
    const bool fits = expected.size() == shape.size() && expected[dim] != kBatch && shape[dim] != kBatch;
    const int64_t more = fits ? expected[dim] : 0;
    if (fits) expected[dim] = shape[dim];
    check(fits && expected == shape, "node ", node.name, ": cat along dimension ", dim, " cannot join ",
          shape_text(shape), " and ", shape_text(inputs[i]));
    check(!__builtin_add_overflow(shape[dim], more, &shape[dim]), "node ", node.name, ": too many elements");
  }
  return shape;
}

Shape stack_shape(const Node& node, const Shapes& inputs) {
  Shape shape = inputs[0];
  for (const Shape& other : inputs)
    check(other == shape, "node ", node.name, ": stack cannot join ", shape_text(shape), " and ", shape_text(other));
  const size_t at = dimension(node, node.integer("dim"), shape.size() + 1);
  shape.insert(shape.begin() + static_cast<int64_t>(at), static_cast<int64_t>(inputs.size()));
  return shape;
}

// Without dims everything is reduced.
Shape reduce_shape(const Node& node, const Shapes& inputs) {
  const List& dims = node.list("dims");
  const bool keep = node.attribute("keepdim") != 0.0;
  std::vector<bool> reduced(inputs[0].size(), dims.empty());
  for (const int64_t dim : dims) {
    const size_t at = dimension(node, dim, inputs[0].size());
    check(!reduced[at], "node ", node.name, ": ", node.op->name, " names dimension ", at, " twice");
    reduced[at] = true;
  }
  Shape shape;
  for (size_t i = 0; i < inputs[0].size(); ++i) {
    if (!reduced[i]) shape.push_back(inputs[0][i]);
    if (reduced[i] && keep) shape.push_back(1);
  }
  return shape;
}

}  // namespace chop::ir
