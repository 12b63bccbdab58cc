// Sums over rows in an order that depends on the rows alone, and so not on how they were cut into chunks.
//
// Rows are added one after the other, in double, into segments: a segment ends at every multiple of kSumRows and, where
// asked, of `every`. Segments are added in their order at the end. Chunks begin at a multiple of kSumRows, so joining
// two of them is putting their segments one after the other: the same bits for any chunks.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace chop::evaluator {

inline constexpr int64_t kSumRows = 4096;

class RowSums {
 public:
  // every: 0 for no other cut.
  explicit RowSums(int64_t first_row, int64_t every = 0) : every_(every), end_(first_row) {}

  // Rows come in ascending order; an amount may stand for several rows of one segment.
  void add(int64_t row, double amount) {
    if (row >= end_) {
      segments_.push_back(0.0);
      end_ = end_of_segment(row);
    }
    segments_.back() += amount;
  }

  // later: of the rows that follow.
  void merge(const RowSums& later) {
    segments_.insert(segments_.end(), later.segments_.begin(), later.segments_.end());
    end_ = later.end_;
  }

  double sum() const {
    double total = 0.0;
    for (const double segment : segments_) total += segment;
    return total;
  }

  // The unweighted mean of the means of `every` consecutive rows, the last of which may be fewer; of rows 0 to `rows`.
  double mean_of_batches(int64_t rows) const {
    double means = 0.0, batch = 0.0;
    int64_t row = 0, first = 0, batches = 0;
    for (const double segment : segments_) {
      batch += segment;
      row = std::min(end_of_segment(row), rows);
      if (row % every_ != 0 && row < rows) continue;
      means += batch / static_cast<double>(row - first);
      ++batches;
      first = row;
      batch = 0.0;
    }
    return means / static_cast<double>(batches);
  }

 private:
  // every_ can be anything up to the largest number: no sum here may pass it.
  int64_t end_of_segment(int64_t row) const {
    const int64_t group = (row / kSumRows + 1) * kSumRows;
    if (every_ == 0) return group;
    const int64_t left = every_ - row % every_;
    return left < group - row ? row + left : group;
  }

  int64_t every_;
  int64_t end_;  // row that begins the next segment
  std::vector<double> segments_;
};

}  // namespace chop::evaluator
