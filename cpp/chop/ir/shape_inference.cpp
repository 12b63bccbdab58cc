#include "chop/ir/shape_inference.h"

namespace chop::ir {

void infer_shapes(std::vector<Node>& nodes) {
  for (Node& node : nodes) {
    std::vector<Shape> inputs;
    for (const int input : node.inputs) inputs.push_back(nodes[static_cast<size_t>(input)].shape);
    node.shape = node.op->shape(node, inputs);
  }
}

}  // namespace chop::ir
