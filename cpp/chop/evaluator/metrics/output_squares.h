// Squares of the difference from the float model's logits, and of those logits, added up.
#pragma once

#include "chop/evaluator/metrics/metric.h"
#include "chop/evaluator/metrics/row_sums.h"

namespace chop::evaluator {

struct OutputSquares {
  RowSums error, signal;

  explicit OutputSquares(int64_t first_row) : error(first_row), signal(first_row) {}
  void add(const BlockView& block) {
    const SquareSums sums = kernels().outputs.squares(block.logits, block.reference, block.classes, block.valid);
    error.add(block.first_row, sums.error);
    signal.add(block.first_row, sums.signal);
  }
  void merge(const OutputSquares& later) {
    error.merge(later.error);
    signal.merge(later.signal);
  }
};

// What a metric that compares with the float model needs.
inline Needs reference_only() {
  Needs result;
  result.labels = false;
  result.logits = result.reference = true;
  return result;
}

}  // namespace chop::evaluator
