// Mean and variance of stored numbers, with compensated sums.
#pragma once

#include "chop/statistics/samples.h"
#include "chop/statistics/statistic.h"

namespace chop::statistics {

struct TwoPass {
  std::vector<double> mean, variance;  // NaN for a group with too few numbers
  std::vector<int64_t> count, nan;
  int64_t most_numbers = 0;  // of any group
};

TwoPass two_pass(const Samples& samples, int64_t ddof);

}  // namespace chop::statistics
