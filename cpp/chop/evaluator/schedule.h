// Plans in the order in which neighbours share most, and how many steps each shares with the one before.
#pragma once

#include <vector>

#include "chop/evaluator/plan.h"

namespace chop::evaluator {

struct Schedule {
  std::vector<Plan> plans;
  std::vector<size_t> order;   // position in the caller's list
  std::vector<size_t> shared;  // of the plan order[i] with order[i - 1]

  explicit Schedule(std::vector<Plan> made);
  const Plan& at(size_t i) const { return plans[order[i]]; }
};

}  // namespace chop::evaluator
