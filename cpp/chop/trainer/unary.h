// The operations of single numbers that have a gradient.
#pragma once

#include <optional>
#include <string>

#include "chop/ir/graph.h"
#include "chop/kernels/training.h"

namespace chop::trainer {

// Throws std::invalid_argument that names the node.
[[noreturn]] void refuse(const ir::Node& node, const std::string& why);

// The operation of a node, with its constants; none: it is of another kind.
std::optional<TrainUnaryOp> unary_of(const ir::Node& node);
std::optional<TrainUnaryOp> scalar_of(const ir::Node& node);  // with a number on the other side

}  // namespace chop::trainer
