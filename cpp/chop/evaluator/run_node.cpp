#include "chop/evaluator/run_node.h"

#include <algorithm>

#include "chop/core/check.h"
#include "chop/evaluator/float_ops/layout.h"
#include "chop/evaluator/step.h"
#include "chop/kernels/kernels.h"

namespace chop::evaluator {
namespace {

const ir::Node& find(const ir::Graph& graph, const std::string& name) {
  for (const ir::Node& node : graph.nodes())
    if (node.name == name) return node;
  fail("the graph has no node '", name, "'");
}

}  // namespace

std::vector<float> run_node(const ir::Graph& graph, const std::string& name,
                            const std::vector<std::vector<float>>& inputs, int64_t samples) {
  const ir::Node& node = find(graph, name);
  std::vector<const ir::Node*> sources;
  for (const int input : node.inputs) sources.push_back(&graph.nodes()[static_cast<size_t>(input)]);
  const StepPtr step = float_ops().get(node.op->name).make(node, sources);
  check(inputs.size() == sources.size(), "node ", name, " reads ", sources.size(), " nodes, got ", inputs.size());
  std::vector<std::vector<float>> blocks;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const int rows = row_count(node, sources[i]->shape);
    check(static_cast<int64_t>(inputs[i].size()) == samples * rows, "node ", name, ": input ", i, " must hold ",
          samples, " times ", rows, " numbers, got ", inputs[i].size());
    blocks.emplace_back(static_cast<size_t>(rows) * kBlock);
  }
  const int rows = step->groups();
  std::vector<float> result(static_cast<size_t>(samples * rows)), block(static_cast<size_t>(rows) * kBlock);
  for (int64_t first = 0; first < samples; first += kBlock) {
    const int64_t count = std::min<int64_t>(kBlock, samples - first);
    std::vector<const void*> in;
    for (size_t i = 0; i < inputs.size(); ++i) {
      const auto width = static_cast<int64_t>(blocks[i].size()) / kBlock;
      for (int64_t s = 0; s < count; ++s)
        for (int64_t r = 0; r < width; ++r)
          blocks[i][static_cast<size_t>(r * kBlock + s)] = inputs[i][static_cast<size_t>((first + s) * width + r)];
      in.push_back(blocks[i].data());
    }
    step->run(in.data(), block.data());
    for (int64_t s = 0; s < count; ++s)
      for (int64_t r = 0; r < rows; ++r)
        result[static_cast<size_t>((first + s) * rows + r)] = block[static_cast<size_t>(r * kBlock + s)];
  }
  return result;
}

}  // namespace chop::evaluator
