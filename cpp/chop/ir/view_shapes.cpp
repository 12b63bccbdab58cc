// Shapes of what only looks at the same values in another arrangement.
#include <algorithm>

#include "chop/core/check.h"
#include "chop/ir/shape_rules.h"

namespace chop::ir {
namespace {

// Product of all sizes but the batch.
int64_t row_elements(const Node& node, const Shape& shape) {
  int64_t count = 1;
  for (const int64_t size : shape)
    if (size != kBatch) count = multiply(node, count, size);
  return count;
}

int64_t batches(const Shape& shape) { return std::count(shape.begin(), shape.end(), kBatch); }

[[noreturn]] void refuse_view(const Node& node, const Shape& from, const Shape& to, const char* why) {
  fail("node ", node.name, ": ", node.op->name, " of ", shape_text(from), " as ", shape_text(to), ": ", why);
}

// The size that an open place must have, with `elements` in all and `known` of them in the other places.
int64_t open_size(const Node& node, const Shape& from, const Shape& to, int64_t elements, int64_t known) {
  if (known == 0 || elements % known != 0) refuse_view(node, from, to, "the numbers of elements differ");
  return elements / known;
}

}  // namespace

Shape flatten_shape(const Node& node, const Shapes& inputs) {
  Shape shape = inputs[0];
  if (shape.empty()) shape.push_back(1);
  const size_t start = dimension(node, node.integer("start_dim"), shape.size());
  const size_t end = dimension(node, node.integer("end_dim"), shape.size());
  check(start <= end, "node ", node.name, ": flatten from dimension ", start, " to ", end);
  const Shape part(shape.begin() + static_cast<int64_t>(start), shape.begin() + static_cast<int64_t>(end) + 1);
  int64_t size = row_elements(node, part);
  if (batches(part)) {
    check(size == 1 && batches(part) == 1, "node ", node.name, ": flatten of ", shape_text(inputs[0]),
          " would multiply the batch into dimension ", start);
    size = kBatch;
  }
  shape.erase(shape.begin() + static_cast<int64_t>(start) + 1, shape.begin() + static_cast<int64_t>(end) + 1);
  shape[start] = size;
  return shape;
}

// An entry of -1 is the batch or the size that is left open; with two of them the first is the batch.
Shape view_shape(const Node& node, const Shapes& inputs) {
  const Shape& from = inputs[0];
  Shape to = node.list("shape");
  for (const int64_t size : to)
    if (size < -1) refuse_view(node, from, to, "a size must be 0 or more, or -1");
  const int64_t elements = row_elements(node, from), known = row_elements(node, to);
  const int64_t from_batches = batches(from), open = batches(to);
  if (from_batches > 1) refuse_view(node, from, to, "the batch occurs more than once");
  if (open > from_batches + 1) refuse_view(node, from, to, "too many sizes are left open");
  if (open < from_batches) refuse_view(node, from, to, "the number of rows is fixed; write -1 or x.size(0) for it");
  if (open == from_batches) {
    if (elements != known) refuse_view(node, from, to, "the rows would not stay the batch");
  } else {
    // The last open place is the one that is filled in.
    *std::find(to.rbegin(), to.rend(), kBatch) = open_size(node, from, to, elements, known);
  }
  return to;
}

Shape permute_shape(const Node& node, const Shapes& inputs) {
  const List& dims = node.list("dims");
  check(dims.size() == inputs[0].size(), "node ", node.name, ": permute needs ", inputs[0].size(), " dims, got ",
        dims.size());
  Shape shape;
  std::vector<bool> used(dims.size());
  for (const int64_t dim : dims) {
    const size_t from = dimension(node, dim, dims.size());
    check(!used[from], "node ", node.name, ": permute names dimension ", from, " twice");
    used[from] = true;
    shape.push_back(inputs[0][from]);
  }
  return shape;
}

Shape transpose_shape(const Node& node, const Shapes& inputs) {
  Shape shape = inputs[0];
  std::swap(shape[dimension(node, node.integer("dim0"), shape.size())],
            shape[dimension(node, node.integer("dim1"), shape.size())]);
  return shape;
}

Shape unsqueeze_shape(const Node& node, const Shapes& inputs) {
  Shape shape = inputs[0];
  const size_t at = dimension(node, node.integer("dim"), shape.size() + 1);
  shape.insert(shape.begin() + static_cast<int64_t>(at), 1);
  return shape;
}

// Without dims all sizes of 1 go. A batch stays, whatever its size turns out to be.
Shape squeeze_shape(const Node& node, const Shapes& inputs) {
  const List& dims = node.list("dims");
  std::vector<bool> goes(inputs[0].size(), dims.empty());
  for (const int64_t dim : dims) goes[dimension(node, dim, inputs[0].size())] = true;
  Shape shape;
  for (size_t i = 0; i < inputs[0].size(); ++i)
    if (!goes[i] || inputs[0][i] != 1) shape.push_back(inputs[0][i]);
  return shape;
}

}  // namespace chop::ir
