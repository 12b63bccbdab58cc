// Numbers of the model's source (the 0.3 of x * 0.3) as operands of quantized nodes.
#pragma once

#include <optional>

#include "chop/evaluator/config.h"
#include "chop/ir/graph.h"

namespace chop::evaluator {

// The node with its number on the grid of the data; nothing if it has none that the format rounds.
std::optional<ir::Node> with_number_on_grid(const ir::Node& node, const NodeFormat* format);

}  // namespace chop::evaluator
