// The shape rules behind the op table. Each gets a verified node and the shapes it reads; it throws with the node's
// name where sizes do not meet. A rule never multiplies the batch into another size: the result could not be written.
#pragma once

#include <vector>

#include "chop/ir/graph.h"

namespace chop::ir {

using Shapes = std::vector<Shape>;

// shape_rules.cpp
Shape input_shape(const Node& node, const Shapes& inputs);
Shape opaque_shape(const Node& node, const Shapes& inputs);  // rows of what its attribute says
Shape same_shape(const Node& node, const Shapes& inputs);
Shape along_dim_shape(const Node& node, const Shapes& inputs);  // same, with an attribute dim that must exist
Shape linear_shape(const Node& node, const Shapes& inputs);
Shape batch_norm1d_shape(const Node& node, const Shapes& inputs);
Shape batch_norm2d_shape(const Node& node, const Shapes& inputs);
Shape layer_norm_shape(const Node& node, const Shapes& inputs);
Shape group_norm_shape(const Node& node, const Shapes& inputs);
Shape embedding_shape(const Node& node, const Shapes& inputs);
Shape prelu_shape(const Node& node, const Shapes& inputs);

// window_shapes.cpp
Shape conv1d_shape(const Node& node, const Shapes& inputs);
Shape conv2d_shape(const Node& node, const Shapes& inputs);
Shape pool1d_shape(const Node& node, const Shapes& inputs);
Shape pool2d_shape(const Node& node, const Shapes& inputs);
Shape adaptive_pool1d_shape(const Node& node, const Shapes& inputs);
Shape adaptive_pool2d_shape(const Node& node, const Shapes& inputs);

// view_shapes.cpp
Shape flatten_shape(const Node& node, const Shapes& inputs);
Shape view_shape(const Node& node, const Shapes& inputs);
Shape permute_shape(const Node& node, const Shapes& inputs);
Shape transpose_shape(const Node& node, const Shapes& inputs);
Shape unsqueeze_shape(const Node& node, const Shapes& inputs);
Shape squeeze_shape(const Node& node, const Shapes& inputs);

// slice_shapes.cpp
Shape slice_shape(const Node& node, const Shapes& inputs);
Shape pad_shape(const Node& node, const Shapes& inputs);
Shape upsample_shape(const Node& node, const Shapes& inputs);

// operand_shapes.cpp
Shape broadcast_shape(const Node& node, const Shapes& inputs);
Shape matmul_shape(const Node& node, const Shapes& inputs);
Shape bmm_shape(const Node& node, const Shapes& inputs);
Shape cat_shape(const Node& node, const Shapes& inputs);
Shape stack_shape(const Node& node, const Shapes& inputs);
Shape reduce_shape(const Node& node, const Shapes& inputs);

// A dimension counted from the front; negative ones count from the back. Throws if there is no such dimension.
size_t dimension(const Node& node, int64_t dim, size_t rank);

// Throws where the product leaves 64 bits.
int64_t multiply(const Node& node, int64_t a, int64_t b);

}  // namespace chop::ir
