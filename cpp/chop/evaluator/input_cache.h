// What steps make of the data alone: in bytes or shorts, so that the next config with the same format of its first
// layer need not read the floats again; and numbers of formats that a second config asks for.
#pragma once

#include <list>
#include <memory>
#include <vector>

#include "chop/core/fork.h"
#include "chop/core/parallel.h"
#include "chop/evaluator/dataset.h"
#include "chop/evaluator/plan.h"

namespace chop::evaluator {

class InputCache {
 public:
  // Sets `known` of all plans, after making what is missing. What was used longest ago is forgotten first.
  void fill(std::vector<Plan>* plans, const Dataset& data, const ThreadPool& pool) const;

 private:
  struct Entry {
    StepPtr step;
    std::shared_ptr<const Blocks> blocks;
  };
  std::shared_ptr<const Blocks> find(const StepPtr& step) const;
  void keep(Entry entry) const;
  // Whether an earlier plan asked for a costly step, too.
  bool again(const StepPtr& step) const;

  mutable ForkMutex mutex_;
  mutable std::list<Entry> entries_;  // the one used last is first
  mutable std::list<StepPtr> asked_;  // costly ones, likewise
};

}  // namespace chop::evaluator
