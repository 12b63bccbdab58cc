// Runs plans on blocks, one thread's worth of memory.
#pragma once

#include <vector>

#include "chop/evaluator/blocks.h"
#include "chop/evaluator/dataset.h"
#include "chop/evaluator/plan.h"

namespace chop::evaluator {

class Runner {
 public:
  // One plan: a block's memory is used again as soon as nobody reads it, so that it stays in the nearest cache.
  Runner(const Plan& plan, const Dataset& data);
  // Several plans, one after the other on each block: every step has its own memory, and the next plan can begin where
  // it starts to differ.
  Runner(const std::vector<const Plan*>& plans, const Dataset& data);

  // Returns the plan's output for block b. The first `done` steps are those of the plan that ran before on it.
  const float* run(const Plan& plan, int64_t b, size_t done);

  // What the last run wrote; with one plan, only what nothing has overwritten.
  const void* block(int number) const { return written_[static_cast<size_t>(number)]; }

 private:
  void* memory_of(size_t step) { return slots_[places_.empty() ? step : places_[step]].at(0); }

  const Dataset& data_;
  std::vector<Blocks> slots_;
  std::vector<size_t> places_;         // the slot of each step; empty: its own
  std::vector<const void*> written_;   // of the block at hand
  std::vector<const void*> arguments_;
};

}  // namespace chop::evaluator
