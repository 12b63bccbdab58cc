// What is known of a value before its numbers are: enough to tell that integers can hold it.
#pragma once

#include <vector>

#include "chop/core/fixed_point.h"
#include "chop/ir/graph.h"

namespace chop::evaluator {

struct Range {
  double limit;      // no |number| is larger; infinite or NaN if numbers may be infinite or NaN
  bool nonnegative;  // apart from -0.0

  bool finite() const { return limit < 1e37; }  // far enough from float's limit for what is done to one number
};

// The larger one; NaN if one is.
inline double larger(double a, double b) { return a != a || b <= a ? a : b; }

Range rounded(const Range& input, const FixedPoint& format);

// After an operation of float_ops(). Infinite for operations of which nothing is known.
Range range_after(const ir::Node& node, const std::vector<Range>& inputs);

}  // namespace chop::evaluator
