// The rows of a block seen as the elements of a tensor without its batch.
#pragma once

#include <cstdint>
#include <vector>

#include "chop/ir/graph.h"

namespace chop::evaluator {

// The shape less its batch. Throws, naming the node, unless the batch is the first dimension and no other.
ir::Shape sample_shape(const ir::Node& node, const ir::Shape& shape);

// A dimension of `shape`, batch included, as one of the shape less its batch. Throws if it is the batch.
size_t sample_dim(const ir::Node& node, int64_t dim, size_t rank);

int64_t element_count(const ir::Shape& sample);

// How many rows a block of that node has; throws where that is beyond what a step can number.
int row_count(const ir::Node& node, const ir::Shape& shape);

// Where each element lies: at offset + sum of index * stride, in rows.
struct Layout {
  ir::Shape sizes;
  std::vector<int64_t> strides;
  int64_t offset = 0;

  static Layout row_major(const ir::Shape& sample);
  std::vector<int32_t> rows() const;  // of the elements in row-major order
};

}  // namespace chop::evaluator
