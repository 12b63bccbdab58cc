// Exact order statistics of many numbers without sorting them.
#pragma once

#include <cstdint>
#include <vector>

#include "chop/statistics/samples.h"

namespace chop::statistics {

struct Quantiles {
  std::vector<double> values;  // one for each asked
  int64_t count = 0;           // numbers that are no NaN
};

// Linear interpolation between the two nearest numbers, as torch.quantile; NaN are left out, NaN where nothing is left.
template <class T>
Quantiles quantiles(const Pieces<T>& pieces, const std::vector<double>& asked);

// The same for one array, which is reordered and holds no NaN.
template <class T>
Quantiles quantiles(std::vector<T>& numbers, const std::vector<double>& asked);

}  // namespace chop::statistics
