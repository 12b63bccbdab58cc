#include "chop/evaluator/schedule.h"

#include <algorithm>
#include <functional>

namespace chop::evaluator {
namespace {

bool before(const Plan& a, const Plan& b) {
  const size_t n = std::min(a.steps.size(), b.steps.size());
  for (size_t i = 0; i < n; ++i) {
    const PlannedStep &left = a.steps[i], &right = b.steps[i];
    if (left.step != right.step) return std::less<>()(left.step.get(), right.step.get());
    if (left.inputs != right.inputs) return left.inputs < right.inputs;
  }
  return a.steps.size() < b.steps.size();
}

size_t common_steps(const Plan& a, const Plan& b) {
  size_t n = 0;
  while (n < a.steps.size() && n < b.steps.size() && a.steps[n] == b.steps[n]) ++n;
  return n;
}

}  // namespace

Schedule::Schedule(std::vector<Plan> made) : plans(std::move(made)) {
  for (size_t i = 0; i < plans.size(); ++i) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return before(plans[a], plans[b]); });
  compare();
}

void Schedule::keep(const std::function<bool(size_t)>& wanted) {
  order.erase(std::remove_if(order.begin(), order.end(), [&](size_t i) { return !wanted(i); }), order.end());
  compare();
}

void Schedule::compare() {
  shared.clear();
  for (size_t i = 0; i < order.size(); ++i) shared.push_back(i == 0 ? 0 : common_steps(at(i - 1), at(i)));
}

}  // namespace chop::evaluator
