// What only moves values: rows are copied by a table.
#include <utility>

#include "chop/evaluator/float_ops/copy.h"
#include "chop/ir/shape_rules.h"

namespace chop::evaluator {
namespace {

using ir::Node;
using Inputs = std::vector<const Node*>;

StepPtr same_order(const Node& node, const Inputs& inputs) {
  sample_shape(node, node.shape);
  return copy(node, layout_of(node, *inputs[0]));
}

// dims[i]: which of the input's dimensions becomes dimension i.
StepPtr reordered(const Node& node, const Node& input, const std::vector<size_t>& dims) {
  sample_shape(node, node.shape);
  const Layout from = layout_of(node, input);
  Layout layout;
  for (size_t i = 1; i < dims.size(); ++i) {
    layout.sizes.push_back(from.sizes[dims[i] - 1]);
    layout.strides.push_back(from.strides[dims[i] - 1]);
  }
  return copy(node, layout);
}

StepPtr permute(const Node& node, const Inputs& inputs) {
  std::vector<size_t> dims;
  for (const int64_t dim : node.list("dims")) dims.push_back(ir::dimension(node, dim, node.shape.size()));
  return reordered(node, *inputs[0], dims);
}

StepPtr transpose(const Node& node, const Inputs& inputs) {
  std::vector<size_t> dims(node.shape.size());
  for (size_t i = 0; i < dims.size(); ++i) dims[i] = i;
  std::swap(dims[ir::dimension(node, node.integer("dim0"), dims.size())],
            dims[ir::dimension(node, node.integer("dim1"), dims.size())]);
  return reordered(node, *inputs[0], dims);
}

// Parts of the inputs in turn: as many rows of each as lie within one index of the dimensions before `dim`.
StepPtr joined(const Node& node, const Inputs& inputs, size_t dim) {
  const ir::Shape sizes = sample_shape(node, node.shape);
  const int64_t outer = element_count({sizes.begin(), sizes.begin() + static_cast<int64_t>(dim)});
  std::vector<Run> runs;
  for (int64_t o = 0; o < outer; ++o)
    for (size_t i = 0; i < inputs.size(); ++i) {
      const int64_t part = row_count(node, inputs[i]->shape) / outer;
      append(runs, static_cast<int>(i), o * part, part);
    }
  return copy(node, std::move(runs));
}

StepPtr join(const Node& node, const Inputs& inputs) {
  return joined(node, inputs, sample_dim(node, node.integer("dim"), node.shape.size()));
}

[[maybe_unused]] const bool registered[] = {
    float_ops().add("flatten", {same_order, true}),
    float_ops().add("view", {same_order, true}),
    float_ops().add("unsqueeze", {same_order, true}),
    float_ops().add("squeeze", {same_order, true}),
    float_ops().add("permute", {permute, true}),
    float_ops().add("transpose", {transpose, true}),
    float_ops().add("cat", {join, true}),
    float_ops().add("stack", {join, true}),
};

}  // namespace
}  // namespace chop::evaluator
