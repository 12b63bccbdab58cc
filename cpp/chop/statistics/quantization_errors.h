// What each fraction width would cost a stream of numbers: sums of squared errors, all found in one pass.
#pragma once

#include <cstdint>
#include <vector>

#include "chop/core/fork.h"
#include "chop/core/parallel.h"
#include "chop/kernels/kernels.h"

namespace chop::statistics {

// May be used by several threads at once.
class QuantizationErrors {
 public:
  // Throws on a width or a fraction width out of range.
  QuantizationErrors(int64_t width, bool is_signed, const std::vector<int64_t>& frac_widths);

  // The next numbers of the stream. Where it is cut, the threads and the instruction set change no bit of the sums:
  // threads share out the grids, never the numbers of one.
  void update(const float* x, int64_t n, const ThreadPool& pool);

  // Sum of (x - quantized x)^2 for each fraction width, and sum of x^2; NaN and infinities count for nothing.
  std::vector<double> errors() const;
  double power() const;
  int64_t count() const;  // of numbers, NaN and infinities included

 private:
  double total(size_t grid) const;

  std::vector<GridF32> grids_;  // the last one has no code but 0: its errors are the numbers themselves
  std::vector<double> sums_;    // [grids][kErrorLanes]
  int64_t count_ = 0;
  mutable ForkMutex mutex_;
};

}  // namespace chop::statistics
