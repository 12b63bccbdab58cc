#include "chop/evaluator/input_cache.h"

#include <algorithm>

namespace chop::evaluator {
namespace {

constexpr size_t kMostBytes = size_t{512} << 20;
constexpr size_t kMostAsked = 64;

std::shared_ptr<const Blocks> make(const Step& step, const Dataset& data, const ThreadPool& pool) {
  const auto blocks = std::make_shared<Blocks>(data.blocks(), step.groups());
  pool.run(data.chunks(), [&](int64_t chunk) {
    const Span span = data.chunk(chunk);
    for (int64_t b = span.first; b < span.last; ++b) {
      const void* from = data.block(b);
      step.run(&from, blocks->at(b));
    }
  });
  return blocks;
}

}  // namespace

std::shared_ptr<const Blocks> InputCache::find(const StepPtr& step) const {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.step == step; });
  if (found == entries_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found);
  return found->blocks;
}

void InputCache::keep(Entry entry) const {
  const std::lock_guard lock(mutex_);
  entries_.push_front(std::move(entry));
  size_t bytes = 0;
  for (auto it = entries_.begin(); it != entries_.end();) {
    bytes += it->blocks->bytes();
    it = bytes > kMostBytes ? entries_.erase(it) : std::next(it);
  }
}

bool InputCache::again(const StepPtr& step) const {
  const std::lock_guard lock(mutex_);
  const auto found = std::find(asked_.begin(), asked_.end(), step);
  if (found != asked_.end()) {
    asked_.splice(asked_.begin(), asked_, found);
    return true;
  }
  asked_.push_front(step);
  if (asked_.size() > kMostAsked) asked_.pop_back();
  return false;
}

void InputCache::fill(std::vector<Plan>* plans, const Dataset& data, const ThreadPool& pool) const {
  if (!data.packed()) return;
  const std::vector<int> data_alone{0};
  for (Plan& plan : *plans) {
    plan.known.resize(plan.steps.size());
    for (size_t i = 0; i < plan.steps.size(); ++i) {
      const PlannedStep& planned = plan.steps[i];
      const bool costly = planned.step->costly();
      if (planned.inputs != data_alone || planned.stage != Stage::rows || !(costly || planned.step->compact()))
        continue;
      plan.known[i] = find(planned.step);
      if (plan.known[i] || (costly && !again(planned.step))) continue;
      const size_t bytes =
          static_cast<size_t>(data.blocks()) * static_cast<size_t>(planned.step->groups()) * kGroupBytes;
      if (bytes > kMostBytes) continue;
      plan.known[i] = make(*planned.step, data, pool);
      keep({planned.step, plan.known[i]});
    }
  }
}

}  // namespace chop::evaluator
