// Shapes of all nodes from the shapes of the inputs, by the rules of the op table.
#pragma once

#include <vector>

#include "chop/ir/graph.h"

namespace chop::ir {

// Fills in Node::shape; throws with the node's name where sizes do not meet.
void infer_shapes(std::vector<Node>& nodes);

}  // namespace chop::ir
