#include "chop/evaluator/runner.h"

#include <algorithm>

namespace chop::evaluator {
namespace {

constexpr int64_t kAhead = 2;  // blocks

// The last step that reads each step's block; the plan's output is read after all of them.
std::vector<size_t> last_readers(const Plan& plan) {
  std::vector<size_t> last(plan.steps.size(), 0);
  for (size_t i = 0; i < plan.steps.size(); ++i)
    for (const int from : plan.steps[i].inputs)
      if (from > 0) last[static_cast<size_t>(from) - 1] = i;
  if (plan.output > 0) last[static_cast<size_t>(plan.output) - 1] = plan.steps.size();
  return last;
}

size_t most_inputs(const Plan& plan) {
  size_t most = 1;
  for (const PlannedStep& planned : plan.steps) most = std::max(most, planned.inputs.size());
  return most;
}

// The next blocks are on their way while these are computed: the processor's own prefetching stops at each page.
void fetch(const std::byte* from, size_t bytes) {
  constexpr size_t kLine = 64, kMost = 4096;
  for (size_t at = 0; at < std::min(bytes, kMost); at += kLine) __builtin_prefetch(from + at);
}

}  // namespace

Runner::Runner(const Plan& plan, const Dataset& data, int together)
    : data_(data), together_(std::max(plan.together, together)) {
  const std::vector<size_t> last = last_readers(plan);
  std::vector<int> sizes;
  std::vector<size_t> free_after;  // the step that reads a slot last
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    size_t slot = 0;
    while (slot < sizes.size() && free_after[slot] >= i) ++slot;
    if (slot == sizes.size()) sizes.push_back(0), free_after.push_back(0);
    sizes[slot] = std::max(sizes[slot], plan.steps[i].step->groups());
    free_after[slot] = std::max(last[i], i);
    places_.push_back(slot);
  }
  allocate(sizes);
  written_.resize(plan.steps.size() + 1);
  arguments_.resize(most_inputs(plan));
}

Runner::Runner(const std::vector<const Plan*>& plans, const Dataset& data, int together)
    : data_(data), together_(together) {
  std::vector<int> sizes;
  size_t arguments = 1;
  for (const Plan* plan : plans) {
    together_ = std::max(together_, plan->together);
    sizes.resize(std::max(sizes.size(), plan->steps.size()), 1);
    arguments = std::max(arguments, most_inputs(*plan));
    for (size_t i = 0; i < plan->steps.size(); ++i) sizes[i] = std::max(sizes[i], plan->steps[i].step->groups());
  }
  allocate(sizes);
  written_.resize(sizes.size() + 1);
  arguments_.resize(arguments);
}

void Runner::allocate(const std::vector<int>& sizes) {
  for (const int groups : sizes) slots_.emplace_back(together_, groups);
}

void Runner::run(const Plan& plan, int64_t first, int count, size_t done) {
  const auto rows = static_cast<int>(std::min<int64_t>(int64_t{count} * kBlock, data_.rows() - first * kBlock));
  written_[0] = {reinterpret_cast<const std::byte*>(data_.block(first)), data_.stride()};
  for (size_t i = done; i < plan.steps.size(); ++i) {
    const PlannedStep& planned = plan.steps[i];
    if (!plan.known.empty() && plan.known[i]) {
      written_[i + 1] = {plan.known[i]->at(first), plan.known[i]->stride()};
      fetch(plan.known[i]->at(std::min(first + kAhead, data_.blocks() - 1)), plan.known[i]->stride());
      continue;
    }
    read_.clear();
    for (const int from : planned.inputs) read_.push_back(written_[static_cast<size_t>(from)]);
    Blocks& memory = slots_[places_.empty() ? i : places_[i]];
    written_[i + 1] = {memory.at(0), memory.stride()};
    planned.step->run_many(read_, written_[i + 1], count, rows, &arguments_);
  }
}

}  // namespace chop::evaluator
