#include "chop/evaluator/evaluator.h"

#include <algorithm>
#include <mutex>

#include "chop/core/check.h"

namespace chop::evaluator {
namespace {

constexpr int64_t kChunk = 64;  // blocks a task: large enough to hand out, small enough to share

// Runs plans on blocks. With a buffer for each step the results stay, and the next plan can begin where it starts to
// differ; a single plan needs two buffers, which stay in the nearest cache.
class Runner {
 public:
  Runner(int width, size_t buffers) {
    for (size_t i = 0; i < buffers; ++i) results_.emplace_back(static_cast<size_t>(width) * kBlock);
  }

  // Returns the logits, [classes][kBlock]. The first `done` steps are those of the plan that ran before on this block.
  const float* run(const Plan& plan, const float* block, size_t done) {
    const KernelTable& k = kernels();
    const float* from = done > 0 ? results_[done - 1].data() : block;
    for (size_t i = done; i < plan.steps.size(); ++i) {
      const Step& step = plan.steps[i];
      float* to = results_[i % results_.size()].data();
      if (step.kind == Step::Kind::elementwise) {
        k.elementwise(step.op, from, to, step.rows_out);
      } else {
        linear(k, step, from, to);
      }
      from = to;
    }
    return from;
  }

 private:
  static void linear(const KernelTable& k, const Step& step, const float* from, float* to) {
    const float* bias = step.bias.empty() ? nullptr : step.bias.data();
    const double* bias64 = step.bias64.empty() ? nullptr : step.bias64.data();
    switch (step.road) {
      case Road::exact_float32: return k.linear_exact(from, step.weight.data(), bias, to, step.rows_in, step.rows_out);
      case Road::float32: return k.linear_ordered(from, step.weight.data(), bias, to, step.rows_in, step.rows_out);
      case Road::float64: return k.linear_wide(from, step.weight64.data(), bias64, to, step.rows_in, step.rows_out);
    }
  }

  std::vector<AlignedFloats> results_;
};

// Plans in the order in which neighbours share most, and how many steps each shares with the one before.
struct Schedule {
  std::vector<Plan> plans;
  std::vector<size_t> order;  // position in the caller's list
  std::vector<size_t> shared;
  int width = 0;
  size_t steps = 0;

  explicit Schedule(std::vector<Plan> made) : plans(std::move(made)) {
    for (size_t i = 0; i < plans.size(); ++i) order.push_back(i);
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return plans[a].key < plans[b].key; });
    for (size_t i = 0; i < order.size(); ++i) {
      const Plan& plan = plans[order[i]];
      width = std::max(width, plan.width);
      steps = std::max(steps, plan.steps.size());
      shared.push_back(i == 0 ? 0 : common_steps(plans[order[i - 1]], plan));
    }
  }

 private:
  static size_t common_steps(const Plan& a, const Plan& b) {
    size_t n = 0;
    while (n < a.steps.size() && n < b.steps.size() && same_work(a.steps[n], b.steps[n])) ++n;
    return n;
  }
};

struct Range {
  int64_t first, last;
};

// Part `index` of `parts` nearly equal parts of [0, count).
Range part_of(int64_t count, int64_t parts, int64_t index) {
  return {count * index / parts, count * (index + 1) / parts};
}

void score_block(const float* logits, const Dataset& data, int64_t b, bool want_loss, Metrics* found) {
  found->loss_sum +=
      kernels().classify_counts(logits, static_cast<int>(found->correct.size()), data.labels(b), data.valid_rows(b),
                                want_loss, found->predicted.data(), found->correct.data());
}

// The plans of one range on the blocks of one chunk: found[i] belongs to the plan order[plans.first + i].
std::vector<Metrics> score_chunk(const Schedule& schedule, Range plans, const Dataset& data, Range blocks,
                                 const Metrics& empty, bool want_loss) {
  const bool alone = plans.last - plans.first == 1;
  Runner runner(schedule.width, alone ? 2 : schedule.steps);
  std::vector<Metrics> found(static_cast<size_t>(plans.last - plans.first), empty);
  for (int64_t b = blocks.first; b < blocks.last; ++b)
    for (int64_t i = plans.first; i < plans.last; ++i) {
      const auto at = static_cast<size_t>(i);
      const size_t done = i == plans.first ? 0 : schedule.shared[at];
      const float* logits = runner.run(schedule.plans[schedule.order[at]], data.block(b), done);
      score_block(logits, data, b, want_loss, &found[static_cast<size_t>(i - plans.first)]);
    }
  return found;
}

Dataset make_dataset(const Planner& planner, const float* x, const int64_t* labels, int64_t rows, int64_t features) {
  check(rows > 0, "evaluator: x has no rows");
  check(features == planner.features(), "evaluator: x has ", features, " features, the model takes ",
        planner.features());
  return {x, labels, rows, planner.features(), planner.classes()};
}

}  // namespace

Evaluator::Evaluator(ir::Graph graph, const float* x, const int64_t* labels, int64_t rows, int64_t features,
                     int threads, bool fused_affine)
    : planner_(std::move(graph), fused_affine),
      data_(make_dataset(planner_, x, labels, rows, features)),
      pool_(threads) {
  planner_.plan({});  // every layer has its weights, or the constructor says which has not
}

std::vector<Metrics> Evaluator::evaluate(const std::vector<Config>& configs, bool want_loss) const {
  std::vector<Plan> plans;
  for (const Config& config : configs) plans.push_back(planner_.plan(config));
  const Schedule schedule(std::move(plans));
  const auto classes = static_cast<size_t>(planner_.classes());
  Metrics empty;
  empty.rows = data_.rows();
  empty.support = data_.support();
  empty.predicted.assign(classes, 0);
  empty.correct.assign(classes, 0);
  empty.has_loss = want_loss;

  // A task is a chunk of the data and, where there are few chunks for the threads, a part of the plans.
  const auto count = static_cast<int64_t>(configs.size());
  const int64_t chunks = (data_.blocks() + kChunk - 1) / kChunk;
  const int64_t parts =
      threads() == 1 ? 1 : std::clamp<int64_t>(4 * threads() / chunks, 1, std::max<int64_t>(count, 1));
  std::vector<Metrics> results(configs.size(), empty);
  std::vector<double> losses(static_cast<size_t>(chunks * count));
  std::mutex merging;
  pool_.run(chunks * parts, [&](int64_t task) {
    const int64_t chunk = task / parts;
    const Range part = part_of(count, parts, task % parts);
    const Range blocks{chunk * kChunk, std::min(data_.blocks(), (chunk + 1) * kChunk)};
    const std::vector<Metrics> found = score_chunk(schedule, part, data_, blocks, empty, want_loss);
    const std::lock_guard lock(merging);
    for (size_t i = 0; i < found.size(); ++i) {
      const size_t which = schedule.order[static_cast<size_t>(part.first) + i];
      losses[which * static_cast<size_t>(chunks) + static_cast<size_t>(chunk)] = found[i].loss_sum;
      for (size_t c = 0; c < classes; ++c) {
        results[which].predicted[c] += found[i].predicted[c];
        results[which].correct[c] += found[i].correct[c];
      }
    }
  });
  // Counts may be added in any order, losses only in this one.
  for (size_t which = 0; which < results.size(); ++which)
    for (size_t chunk = 0; chunk < static_cast<size_t>(chunks); ++chunk)
      results[which].loss_sum += losses[which * static_cast<size_t>(chunks) + chunk];
  return results;
}

void Evaluator::forward(const Config& config, float* logits) const {
  const Plan plan = planner_.plan(config);
  const int classes = planner_.classes();
  pool_.run((data_.blocks() + kChunk - 1) / kChunk, [&](int64_t chunk) {
    Runner runner(plan.width, 2);
    for (int64_t b = chunk * kChunk; b < std::min(data_.blocks(), (chunk + 1) * kChunk); ++b) {
      const float* block = runner.run(plan, data_.block(b), 0);
      for (int s = 0; s < data_.valid_rows(b); ++s)
        for (int c = 0; c < classes; ++c) logits[(b * kBlock + s) * classes + c] = block[c * kBlock + s];
    }
  });
}

}  // namespace chop::evaluator
