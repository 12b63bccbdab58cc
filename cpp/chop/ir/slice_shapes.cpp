// Shapes of what takes a part of a tensor, or puts more around it or between.
#include <algorithm>

#include "chop/core/check.h"
#include "chop/ir/shape_rules.h"

namespace chop::ir {
namespace {

const List& one_each(const Node& node, const char* name, const Shape& shape) {
  const List& values = node.list(name);
  check(values.size() == shape.size(), "node ", node.name, ": ", name, " needs ", shape.size(), " entries, got ",
        values.size());
  return values;
}

int64_t elements(const Node& node, const Shape& shape) {
  int64_t count = 1;
  for (const int64_t size : shape)
    if (size != kBatch) count = multiply(node, count, size);
  return count;
}

}  // namespace

// The numbers start, start + step, … of each dimension, `size` of them, seen as `shape`, which may lack sizes of 1 or
// have more of them. The batch is taken whole: 0, 1, -1.
Shape slice_shape(const Node& node, const Shapes& inputs) {
  const Shape &from = inputs[0], &to = node.list("shape"), &size = one_each(node, "size", from);
  const List &start = one_each(node, "start", from), &step = one_each(node, "step", from);
  for (size_t i = 0; i < from.size(); ++i) {
    const bool whole = start[i] == 0 && step[i] == 1 && size[i] == from[i];
    const bool inside =
        size[i] >= 0 && start[i] >= 0 && step[i] >= 1 && (size[i] == 0 || start[i] + (size[i] - 1) * step[i] < from[i]);
    check(from[i] == kBatch ? whole : inside, "node ", node.name, ": slice takes ", size[i], " numbers from ", start[i],
          " in steps of ", step[i], " out of dimension ", i, " of ", shape_text(from));
  }
  check(std::count(to.begin(), to.end(), kBatch) == std::count(from.begin(), from.end(), kBatch) &&
            std::all_of(to.begin(), to.end(), [](int64_t n) { return n >= kBatch; }) &&
            elements(node, to) == elements(node, size),
        "node ", node.name, ": slice gives ", shape_text(size), ", which is not ", shape_text(to));
  return to;
}

Shape pad_shape(const Node& node, const Shapes& inputs) {
  Shape shape = inputs[0];
  const List &before = one_each(node, "before", shape), &after = one_each(node, "after", shape);
  for (size_t i = 0; i < shape.size(); ++i) {
    check(before[i] >= 0 && after[i] >= 0 && (shape[i] != kBatch || before[i] + after[i] == 0), "node ", node.name,
          ": pad of ", shape_text(inputs[0]), " needs sizes of 0 or more, and 0 for the batch");
    check(!__builtin_add_overflow(shape[i], before[i] + after[i], &shape[i]), "node ", node.name,
          ": too many elements");
  }
  return shape;
}

Shape upsample_shape(const Node& node, const Shapes& inputs) {
  Shape shape = inputs[0];
  const List& size = node.list("output_size");
  check(size.size() >= 1 && size.size() + 2 == shape.size(), "node ", node.name, ": upsample_nearest to ",
        shape_text(size), " does not fit ", shape_text(shape));
  for (size_t i = 0; i < size.size(); ++i) {
    check(shape[i + 2] >= 1 && size[i] >= 1, "node ", node.name, ": upsample_nearest of ", shape_text(shape), " to ",
          shape_text(size), ": sizes must be 1 or more");
    shape[i + 2] = size[i];
  }
  return shape;
}

}  // namespace chop::ir
