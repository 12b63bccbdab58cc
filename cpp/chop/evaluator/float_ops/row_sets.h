// Row sets that a step owns.
#pragma once

#include <cstdint>
#include <vector>

#include "chop/kernels/rows.h"

namespace chop::evaluator {

class OwnedRowSets {
 public:
  void add(int32_t row) { rows_.push_back(row); }
  void close() { begin_.push_back(static_cast<int32_t>(rows_.size())); }  // the set is complete

  int count() const { return static_cast<int>(begin_.size()) - 1; }
  RowSets view() const { return {begin_.data(), rows_.data(), count()}; }

 private:
  std::vector<int32_t> begin_{0}, rows_;
};

}  // namespace chop::evaluator
