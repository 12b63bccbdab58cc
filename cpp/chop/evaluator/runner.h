// Runs plans on blocks, one or a few neighbours at a time, one thread's worth of memory.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "chop/evaluator/blocks.h"
#include "chop/evaluator/dataset.h"
#include "chop/evaluator/plan.h"

namespace chop::evaluator {

class Runner {
 public:
  // One plan: a block's memory is used again as soon as nobody reads it, so that it stays in the nearest cache.
  // together: the least that together() shall be.
  Runner(const Plan& plan, const Dataset& data, int together = 1);
  // Several plans, one after the other on each block: every step has its own memory, and the next plan can begin where
  // it starts to differ.
  Runner(const std::vector<const Plan*>& plans, const Dataset& data, int together = 1);

  // How many blocks a run takes: as many as the plan that wants most of them.
  int together() const { return together_; }

  // For the `count` blocks from `first` on, at most together(). The first `done` steps are those of the plan that ran
  // before on them.
  void run(const Plan& plan, int64_t first, int count, size_t done);

  // One plan on the blocks of a span; see(b, k): block b has been computed and is the k-th that block() and output()
  // give.
  template <class See>
  void each(const Plan& plan, Span blocks, const See& see) {
    for (int64_t b = blocks.first; b < blocks.last; b += together_) {
      const auto count = static_cast<int>(std::min<int64_t>(together_, blocks.last - b));
      run(plan, b, count, 0);
      for (int k = 0; k < count; ++k) see(b + k, k);
    }
  }

  // What the last run wrote for the k-th of its blocks; with one plan, only what nothing has overwritten.
  const void* block(int number, int k) const { return written_[static_cast<size_t>(number)].at(k); }
  const float* output(const Plan& plan, int k) const { return static_cast<const float*>(block(plan.output, k)); }

 private:
  // What a step needs for its results: `blocks` of them at a time.
  struct Room {
    int groups = 1;
    int64_t blocks = 1;
  };
  void allocate(const std::vector<Room>& rooms);
  Neighbours data(const Plan& plan, int64_t first, int count);
  void run_planes(const Plan& plan, int64_t first, int count, size_t done);
  Blocks& slot(size_t step) { return slots_[places_.empty() ? step : places_[step]]; }

  const Dataset& data_;
  int together_ = 1;
  std::vector<Blocks> slots_;
  std::vector<size_t> places_;       // the slot of each step; empty: its own
  std::vector<Neighbours> written_;  // of the blocks at hand
  std::vector<Neighbours> read_;     // by the step at hand
  std::vector<const void*> arguments_;
  std::unique_ptr<Blocks> unpacked_;  // the data of the blocks at hand, where it is not held in blocks
};

}  // namespace chop::evaluator
