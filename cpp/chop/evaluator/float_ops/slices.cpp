// Parts of a tensor, constants around it, and numbers repeated.
#include <cmath>

#include "chop/evaluator/float_ops/copy.h"

namespace chop::evaluator {
namespace {

using ir::Node;
using Inputs = std::vector<const Node*>;

StepPtr slice(const Node& node, const Inputs& inputs) {
  sample_shape(node, node.shape);
  Layout layout = layout_of(node, *inputs[0]);
  const ir::List &start = node.list("start"), &step = node.list("step"), &size = node.list("size");
  for (size_t i = 0; i < layout.sizes.size(); ++i) {
    layout.offset += start[i + 1] * layout.strides[i];
    layout.strides[i] *= step[i + 1];
    layout.sizes[i] = size[i + 1];
  }
  return copy(node, layout);
}

// sources[i][k]: which index of dimension i the index k of the result shows; a negative one is filled.
StepPtr chosen(const Node& node, const Node& input, const std::vector<std::vector<int64_t>>& sources, float fill) {
  const Layout from = layout_of(node, input);
  std::vector<int64_t> rows{0};
  for (size_t i = 0; i < sources.size(); ++i) {
    std::vector<int64_t> finer;
    for (const int64_t base : rows)
      for (const int64_t k : sources[i]) finer.push_back(base < 0 || k < 0 ? -1 : base + k * from.strides[i]);
    rows = std::move(finer);
  }
  std::vector<Run> runs;
  for (const int64_t row : rows) append(runs, row < 0 ? kFill : 0, row, 1);
  return copy(node, std::move(runs), fill);
}

StepPtr pad(const Node& node, const Inputs& inputs) {
  const ir::Shape from = sample_shape(node, inputs[0]->shape), to = sample_shape(node, node.shape);
  row_count(node, node.shape);
  std::vector<std::vector<int64_t>> sources(from.size());
  for (size_t i = 0; i < from.size(); ++i)
    for (int64_t k = -node.list("before")[i + 1]; static_cast<int64_t>(sources[i].size()) < to[i]; ++k)
      sources[i].push_back(k >= 0 && k < from[i] ? k : -1);
  return chosen(node, *inputs[0], sources, static_cast<float>(node.attribute("value")));
}

// torch's choice, with its rounding.
StepPtr upsample_nearest(const Node& node, const Inputs& inputs) {
  const ir::Shape from = sample_shape(node, inputs[0]->shape), to = sample_shape(node, node.shape);
  row_count(node, node.shape);
  std::vector<std::vector<int64_t>> sources(from.size());
  for (size_t i = 0; i < from.size(); ++i) {
    const float scale = static_cast<float>(from[i]) / static_cast<float>(to[i]);
    for (int64_t k = 0; k < to[i]; ++k) {
      const auto nearest = static_cast<int64_t>(std::floor(static_cast<float>(k) * scale));
      sources[i].push_back(from[i] == to[i] ? k : nearest < from[i] ? nearest : from[i] - 1);
    }
  }
  return chosen(node, *inputs[0], sources, 0.0f);
}

[[maybe_unused]] const bool registered[] = {
    float_ops().add("slice", {slice, true}),
    float_ops().add("pad", {pad, true}),
    float_ops().add("upsample_nearest", {upsample_nearest, true}),
};

}  // namespace
}  // namespace chop::evaluator
