// What every graph must satisfy, whoever made it: order, arity, parameters and attributes of the op table.
#pragma once

#include <vector>

#include "chop/ir/graph.h"

namespace chop::ir {

// Throws std::invalid_argument with the node's name.
void verify_structure(const std::vector<Node>& nodes, int output);

}  // namespace chop::ir
