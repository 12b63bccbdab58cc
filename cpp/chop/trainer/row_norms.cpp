#include "chop/trainer/row_norms.h"

namespace chop::trainer {

RowNorm row_norm_of(const ir::Node& node, int numbers) {
  RowNorm made;
  if (node.op->name == "group_norm") {
    made.weights = static_cast<int>(node.shape[1]);
    made.positions = numbers / made.weights;
    made.groups = static_cast<int>(node.integer("num_groups"));
    made.rows = numbers / made.groups;
  } else {
    made.rows = 1;
    for (const int64_t size : node.list("normalized_shape")) made.rows *= static_cast<int>(size);
    made.weights = made.rows;
    made.groups = numbers / made.rows;
  }
  made.eps = node.attribute("eps");
  return made;
}

}  // namespace chop::trainer
