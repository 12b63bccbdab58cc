// Count, mean, sum of squares around the mean, smallest and largest number of each group, in one pass over the data.
#pragma once

#include <cstdint>
#include <vector>

namespace chop::statistics {

struct MomentSums {
  std::vector<int64_t> count, nan;
  std::vector<double> mean, squares, least, most;  // squares: sum of (x - mean)^2

  void reset(int64_t groups);
  int64_t groups() const { return static_cast<int64_t>(count.size()); }

  // x[rows][groups]; abs: of |x|.
  template <class T>
  void add(const T* x, int64_t rows, bool abs);
  void merge(const MomentSums& other);

  // NaN where a group has no more than `ddof` numbers.
  std::vector<double> variance(int64_t ddof) const;
  // The mean, NaN for a group without numbers; likewise the bounds.
  std::vector<double> means() const;
  std::vector<double> minima() const;
  std::vector<double> maxima() const;
  bool all_counts_below(int64_t n) const;

  // Chan's formula for one group: n numbers with their mean, squares and bounds.
  void combine(int64_t group, int64_t n, double other_mean, double other_squares, double low, double high);
};

}  // namespace chop::statistics
