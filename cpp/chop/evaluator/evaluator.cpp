#include "chop/evaluator/evaluator.h"

#include <algorithm>
#include <mutex>

#include "chop/core/check.h"

namespace chop::evaluator {
namespace {

constexpr int64_t kChunk = 64;  // blocks a task: large enough to hand out, small enough to share

// Runs the steps of a plan on one block and returns the logits, [classes][kBlock].
class Runner {
 public:
  explicit Runner(const Plan& plan)
      : plan_(plan),
        first_(static_cast<size_t>(plan.width) * kBlock),
        second_(static_cast<size_t>(plan.width) * kBlock) {}

  const float* run(const float* block) {
    const KernelTable& k = kernels();
    const float* from = block;
    float* to = first_.data();
    float* spare = second_.data();
    for (const Step& step : plan_.steps) {
      if (step.kind == Step::Kind::elementwise) {
        k.elementwise(step.op, from, to, step.rows_out);
      } else {
        linear(k, step, from, to);
      }
      from = to;
      std::swap(to, spare);
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

  const Plan& plan_;
  AlignedFloats first_, second_;
};

// What one task found: the loss stays apart, since its sum depends on the order; counts do not.
void score_chunk(const Plan& plan, const Dataset& data, int64_t first, int64_t last, bool want_loss, Metrics* found) {
  Runner runner(plan);
  BlockScore score;
  const int classes = static_cast<int>(found->correct.size());
  for (int64_t b = first; b < last; ++b) {
    const int32_t* labels = data.labels(b);
    const int valid = data.valid_rows(b);
    kernels().classify(runner.run(data.block(b)), classes, labels, valid, want_loss, &score);
    found->loss_sum += score.loss;
    for (int s = 0; s < valid; ++s) {
      const auto predicted = static_cast<size_t>(score.predicted[s]);
      ++found->predicted[predicted];
      found->correct[predicted] += score.predicted[s] == labels[s];
    }
  }
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
  const int64_t chunks = (data_.blocks() + kChunk - 1) / kChunk;
  const auto count = static_cast<int64_t>(configs.size());
  const auto classes = static_cast<size_t>(planner_.classes());
  std::vector<Plan> plans;
  for (const Config& config : configs) plans.push_back(planner_.plan(config));
  std::vector<Metrics> results(configs.size());
  for (Metrics& m : results) {
    m.rows = data_.rows();
    m.support = data_.support();
    m.predicted.assign(classes, 0);
    m.correct.assign(classes, 0);
    m.has_loss = want_loss;
  }
  std::vector<double> losses(static_cast<size_t>(chunks * count));
  std::mutex merging;
  // Neighbouring tasks share a chunk of the data, which so stays in the cache for all configs.
  pool_.run(chunks * count, [&](int64_t task) {
    const int64_t chunk = task / count;
    const auto which = static_cast<size_t>(task % count);
    Metrics found;
    found.predicted.assign(classes, 0);
    found.correct.assign(classes, 0);
    score_chunk(plans[which], data_, chunk * kChunk, std::min(data_.blocks(), (chunk + 1) * kChunk), want_loss, &found);
    losses[which * static_cast<size_t>(chunks) + static_cast<size_t>(chunk)] = found.loss_sum;
    const std::lock_guard lock(merging);
    for (size_t c = 0; c < classes; ++c) {
      results[which].predicted[c] += found.predicted[c];
      results[which].correct[c] += found.correct[c];
    }
  });
  for (size_t which = 0; which < results.size(); ++which)
    for (size_t chunk = 0; chunk < static_cast<size_t>(chunks); ++chunk)
      results[which].loss_sum += losses[which * static_cast<size_t>(chunks) + chunk];
  return results;
}

void Evaluator::forward(const Config& config, float* logits) const {
  const Plan plan = planner_.plan(config);
  const int classes = planner_.classes();
  pool_.run((data_.blocks() + kChunk - 1) / kChunk, [&](int64_t chunk) {
    Runner runner(plan);
    for (int64_t b = chunk * kChunk; b < std::min(data_.blocks(), (chunk + 1) * kChunk); ++b) {
      const float* block = runner.run(data_.block(b));
      for (int s = 0; s < data_.valid_rows(b); ++s)
        for (int c = 0; c < classes; ++c) logits[(b * kBlock + s) * classes + c] = block[c * kBlock + s];
    }
  });
}

}  // namespace chop::evaluator
