#include "chop/evaluator/runner.h"

#include <algorithm>

namespace chop::evaluator {
namespace {

constexpr int64_t kAhead = 2;  // blocks

// When each step runs: what works on planes, or joins them, comes before all others.
std::vector<size_t> order_of(const Plan& plan) {
  std::vector<size_t> order;
  for (const bool rows : {false, true})
    for (size_t i = 0; i < plan.steps.size(); ++i)
      if ((plan.steps[i].stage == Stage::rows) == rows) order.push_back(i);
  return order;
}

// By step: the last moment at which its block is read. The plan's output is read after all of them.
std::vector<size_t> last_reads(const Plan& plan, const std::vector<size_t>& order) {
  std::vector<size_t> last(plan.steps.size(), 0);
  for (size_t moment = 0; moment < order.size(); ++moment)
    for (const int from : plan.steps[order[moment]].inputs)
      if (from > 0) last[static_cast<size_t>(from) - 1] = moment;
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

// Planes of one block of samples, or of all the data where that is less.
int64_t planes_of_a_block(const Plan& plan, const Dataset& data) {
  return plan.images == 0 ? 1 : (std::min<int64_t>(kBlock, data.rows()) + plan.images - 1) / plan.images;
}

}  // namespace

Runner::Runner(const Plan& plan, const Dataset& data, int together)
    : data_(data), together_(std::max(plan.together, together)) {
  const std::vector<size_t> order = order_of(plan), last = last_reads(plan, order);
  std::vector<Room> rooms;
  std::vector<size_t> free_after;  // the moment at which a slot is read last
  std::vector<bool> of_planes;
  places_.resize(plan.steps.size());
  for (size_t moment = 0; moment < order.size(); ++moment) {
    const size_t i = order[moment];
    const bool planes = plan.steps[i].stage == Stage::planes;
    size_t slot = 0;
    while (slot < rooms.size() && (free_after[slot] >= moment || of_planes[slot] != planes)) ++slot;
    if (slot == rooms.size())
      rooms.push_back({1, planes ? 1 : together_}), free_after.push_back(0), of_planes.push_back(planes);
    rooms[slot].groups = std::max(rooms[slot].groups, plan.steps[i].step->groups());
    free_after[slot] = std::max(last[i], moment);
    places_[i] = slot;
  }
  allocate(rooms);
  written_.resize(plan.steps.size() + 1);
  arguments_.resize(most_inputs(plan));
}

Runner::Runner(const std::vector<const Plan*>& plans, const Dataset& data, int together)
    : data_(data), together_(together) {
  std::vector<Room> rooms;
  size_t arguments = 1;
  for (const Plan* plan : plans) together_ = std::max(together_, plan->together);
  for (const Plan* plan : plans) {
    rooms.resize(std::max(rooms.size(), plan->steps.size()));
    arguments = std::max(arguments, most_inputs(*plan));
    for (size_t i = 0; i < plan->steps.size(); ++i) {
      const bool planes = plan->steps[i].stage == Stage::planes;
      rooms[i].groups = std::max(rooms[i].groups, plan->steps[i].step->groups());
      rooms[i].blocks = std::max<int64_t>(rooms[i].blocks, together_ * (planes ? planes_of_a_block(*plan, data) : 1));
    }
  }
  allocate(rooms);
  written_.resize(rooms.size() + 1);
  arguments_.resize(arguments);
}

void Runner::allocate(const std::vector<Room>& rooms) {
  for (const Room& room : rooms) slots_.emplace_back(room.blocks, room.groups);
}

Neighbours Runner::data(const Plan& plan, int64_t first, int count) {
  if (data_.packed()) return {reinterpret_cast<const std::byte*>(data_.block(first)), data_.stride()};
  if (plan.images > 0) return {};  // planes read rows
  if (!unpacked_) unpacked_ = std::make_unique<Blocks>(together_, data_.features());
  for (int k = 0; k < count; ++k) data_.unpack(first + k, reinterpret_cast<float*>(unpacked_->at(k)));
  return {unpacked_->at(0), unpacked_->stride()};
}

// The images that go side by side pass all steps before the next ones do, so that their planes stay in the caches.
void Runner::run_planes(const Plan& plan, int64_t first, int count, size_t done) {
  const int64_t each = planes_of_a_block(plan, data_);
  for (int k = 0; k < count; ++k)
    for (int64_t part = 0; part * plan.images < data_.valid_rows(first + k); ++part) {
      const int64_t image = part * plan.images;
      for (size_t i = done; i < plan.steps.size(); ++i) {
        const PlannedStep& planned = plan.steps[i];
        if (planned.stage == Stage::rows) continue;
        for (size_t input = 0; input < planned.inputs.size(); ++input) {
          const int from = planned.inputs[input];
          arguments_[input] = data_.row((first + k) * kBlock + image);
          if (from > 0)
            arguments_[input] = slot(static_cast<size_t>(from) - 1).at(places_.empty() ? k * each + part : 0);
        }
        std::byte* out = planned.stage == Stage::join ? slot(i).at(k) + image * static_cast<int64_t>(sizeof(float))
                                                      : slot(i).at(places_.empty() ? k * each + part : 0);
        planned.step->run(arguments_.data(), out);
      }
    }
}

void Runner::run(const Plan& plan, int64_t first, int count, size_t done) {
  const auto rows = static_cast<int>(std::min<int64_t>(int64_t{count} * kBlock, data_.rows() - first * kBlock));
  written_[0] = data(plan, first, count);
  if (plan.images > 0) run_planes(plan, first, count, done);
  for (size_t i = done; i < plan.steps.size(); ++i) {
    const PlannedStep& planned = plan.steps[i];
    if (!plan.known.empty() && plan.known[i]) {
      written_[i + 1] = {plan.known[i]->at(first), plan.known[i]->stride()};
      fetch(plan.known[i]->at(std::min(first + kAhead, data_.blocks() - 1)), plan.known[i]->stride());
      continue;
    }
    Blocks& memory = slot(i);
    written_[i + 1] = {memory.at(0), memory.stride()};
    if (planned.stage != Stage::rows) continue;
    read_.clear();
    for (const int from : planned.inputs) read_.push_back(written_[static_cast<size_t>(from)]);
    planned.step->run_many(read_, written_[i + 1], count, rows, &arguments_);
  }
}

}  // namespace chop::evaluator
