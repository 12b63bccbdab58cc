// Layer norms and group norms: which numbers of a sample belong together.
#pragma once

#include <cstdint>

#include "chop/ir/graph.h"

namespace chop::trainer {

// A norm of the numbers of a sample, as TrainRowNorm has it.
struct RowNorm {
  int groups = 0, rows = 0, positions = 1, weights = 0;
  double eps = 1e-5;
  int64_t gamma = -1, beta = -1;  // places in the parameters
};

// Of a node whose result has so many numbers a sample; without its parameters.
RowNorm row_norm_of(const ir::Node& node, int numbers);

}  // namespace chop::trainer
