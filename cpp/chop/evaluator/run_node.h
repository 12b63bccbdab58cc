// One operation on plain arrays, for comparisons and tests.
#pragma once

#include <string>
#include <vector>

#include "chop/ir/graph.h"

namespace chop::evaluator {

// Runs the float operation of one node. inputs: one for each node that it reads, [samples][elements], row-major; the
// result likewise. Throws std::invalid_argument for a node or an operation that is not known, and for sizes that do
// not fit.
std::vector<float> run_node(const ir::Graph& graph, const std::string& name,
                            const std::vector<std::vector<float>>& inputs, int64_t samples);

}  // namespace chop::evaluator
