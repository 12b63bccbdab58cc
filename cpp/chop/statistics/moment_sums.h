// Count, mean, sum of squares around the mean, smallest and largest number of each group, in one pass over the data.
#pragma once

#include <cstdint>
#include <vector>

namespace chop::statistics {

struct MomentSums {
  std::vector<int64_t> count, nan;
  // The mean is mean + rest, so that numbers far from zero keep the digits in which they differ; squares: sum of
  // squared distances from it.
  std::vector<double> mean, rest, squares, least, most;

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

  // n numbers of one group, seen from `origin`: sums of their distances and squared distances from it.
  struct Part {
    int64_t n = 0;
    double origin = 0.0, rest = 0.0, squares = 0.0, low = 0.0, high = 0.0;
  };
  void add_part(int64_t group, const Part& part);

 private:
  // Chan's formula for one group; squares: from the other mean.
  void combine(int64_t group, int64_t n, double other_mean, double other_rest, double other_squares);
};

}  // namespace chop::statistics
