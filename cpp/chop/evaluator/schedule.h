// Plans in the order in which neighbours share most, and how many steps each shares with the one before.
#pragma once

#include <functional>
#include <vector>

#include "chop/evaluator/plan.h"

namespace chop::evaluator {

struct Schedule {
  std::vector<Plan> plans;
  std::vector<size_t> order;   // position in the caller's list
  std::vector<size_t> shared;  // of the plan order[i] with order[i - 1]

  explicit Schedule(std::vector<Plan> made);
  // Drops the plans, by their position in the caller's list, that `wanted` refuses.
  void keep(const std::function<bool(size_t)>& wanted);
  const Plan& at(size_t i) const { return plans[order[i]]; }

 private:
  void compare();
};

}  // namespace chop::evaluator
