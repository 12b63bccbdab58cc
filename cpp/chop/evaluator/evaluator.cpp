#include "chop/evaluator/evaluator.h"

#include <algorithm>
#include <mutex>

#include "chop/core/check.h"
#include "chop/evaluator/runner.h"
#include "chop/evaluator/schedule.h"
#include "chop/kernels/kernels.h"

namespace chop::evaluator {
namespace {

constexpr int64_t kChunk = 64;  // blocks a task: large enough to hand out, small enough to share

struct Span {
  int64_t first, last;
};

// Part `index` of `parts` nearly equal parts of [0, count).
Span part_of(int64_t count, int64_t parts, int64_t index) {
  return {count * index / parts, count * (index + 1) / parts};
}

void score_block(const float* logits, const Dataset& data, int64_t b, bool want_loss, Metrics* found) {
  BlockScore score;
  int32_t labels[kBlock];
  for (int s = 0; s < kBlock; ++s) labels[s] = data.labels(b)[s];
  const int valid = data.valid_rows(b);
  kernels().classify(logits, static_cast<int>(found->correct.size()), labels, valid, want_loss, &score);
  found->loss_sum += score.loss;
  for (int s = 0; s < valid; ++s) {
    const auto predicted = static_cast<size_t>(score.predicted[s]);
    ++found->predicted[predicted];
    found->correct[predicted] += score.predicted[s] == labels[s];
  }
}

// The plans of one range on the blocks of one chunk: found[i] belongs to the plan at plans.first + i.
std::vector<Metrics> score_chunk(const Schedule& schedule, Span plans, const Dataset& data, Span blocks,
                                 const Metrics& empty, bool want_loss) {
  std::vector<const Plan*> all;
  for (int64_t i = plans.first; i < plans.last; ++i) all.push_back(&schedule.at(static_cast<size_t>(i)));
  Runner runner = all.size() == 1 ? Runner(*all.front(), data) : Runner(all, data);
  std::vector<Metrics> found(all.size(), empty);
  for (int64_t b = blocks.first; b < blocks.last; b += runner.together()) {
    const auto count = static_cast<int>(std::min<int64_t>(runner.together(), blocks.last - b));
    for (size_t i = 0; i < all.size(); ++i) {
      const size_t done = i == 0 ? 0 : schedule.shared[static_cast<size_t>(plans.first) + i];
      runner.run(*all[i], b, count, done);
      for (int k = 0; k < count; ++k) score_block(runner.output(*all[i], k), data, b + k, want_loss, &found[i]);
    }
  }
  return found;
}

// Checked before anything is read.
ir::Graph fitting(ir::Graph graph, int64_t rows, int64_t features) {
  check(rows > 0, "evaluator: x has no rows");
  const int wanted = elements(graph.nodes().front());
  check(features == wanted, "evaluator: x has ", features, " features, the model takes ", wanted);
  return graph;
}

}  // namespace

Evaluator::Evaluator(ir::Graph graph, const float* x, const int64_t* labels, int64_t rows, int64_t features,
                     int threads, bool fused_affine, std::map<std::string, TorchCallPtr> calls)
    : planner_(fitting(std::move(graph), rows, features), largest_magnitude(x, rows * features), fused_affine,
               std::move(calls)),
      data_(x, labels, rows, planner_.inputs(), planner_.outputs()),
      pool_(threads) {}

std::vector<Plan> Evaluator::plans(const std::vector<Config>& configs) const {
  std::vector<Plan> plans;
  for (const Config& config : configs) plans.push_back(planner_.plan(config));
  inputs_.fill(&plans, data_, pool_);
  return plans;
}

std::vector<Metrics> Evaluator::evaluate(const std::vector<Config>& configs, bool want_loss) const {
  check(output_shape().size() == 1,
        "evaluator: metrics need one row of logits for each row of data; a row of the output has ",
        output_shape().size(), " dimensions");
  const Schedule schedule(plans(configs));
  const auto classes = static_cast<size_t>(planner_.outputs());
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
    const Span part = part_of(count, parts, task % parts);
    const Span blocks{chunk * kChunk, std::min(data_.blocks(), (chunk + 1) * kChunk)};
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

std::vector<LayerCertificate> Evaluator::certificate(const Config& config) const {
  std::vector<ObservedLayer> layers;
  const Plan plan = planner_.plan(config, &layers);
  const int64_t chunks = (data_.blocks() + kChunk - 1) / kChunk;
  std::vector<std::vector<LayerObserver>> seen(static_cast<size_t>(chunks));
  pool_.run(chunks, [&](int64_t chunk) {
    std::vector<LayerObserver>& observers = seen[static_cast<size_t>(chunk)];
    for (const ObservedLayer& layer : layers) observers.emplace_back(layer);
    Runner runner({&plan}, data_);
    const int64_t last = std::min(data_.blocks(), (chunk + 1) * kChunk);
    for (int64_t b = chunk * kChunk; b < last; b += runner.together()) {
      const auto count = static_cast<int>(std::min<int64_t>(runner.together(), last - b));
      runner.run(plan, b, count, 0);
      for (int k = 0; k < count; ++k)
        for (size_t i = 0; i < layers.size(); ++i)
          observers[i].add(static_cast<const float*>(runner.block(layers[i].block, k)), (b + k) * kBlock,
                           data_.valid_rows(b + k));
    }
  });
  std::vector<LayerCertificate> found;
  for (size_t i = 0; i < layers.size(); ++i) {
    for (size_t chunk = 1; chunk < seen.size(); ++chunk) seen[0][i].merge(seen[chunk][i]);
    found.push_back(seen[0][i].certificate());
  }
  return found;
}

ir::Shape Evaluator::output_shape() const {
  const ir::Graph& graph = planner_.graph();
  const ir::Shape& shape = graph.nodes()[static_cast<size_t>(graph.output())].shape;
  return {shape.begin() + 1, shape.end()};
}

void Evaluator::forward(const Config& config, float* logits) const {
  const std::vector<Plan> made = plans({config});
  const Plan& plan = made.front();
  const int outputs = planner_.outputs();
  pool_.run((data_.blocks() + kChunk - 1) / kChunk, [&](int64_t chunk) {
    Runner runner(plan, data_);
    const int64_t last = std::min(data_.blocks(), (chunk + 1) * kChunk);
    for (int64_t b = chunk * kChunk; b < last; b += runner.together()) {
      const auto count = static_cast<int>(std::min<int64_t>(runner.together(), last - b));
      runner.run(plan, b, count, 0);
      for (int k = 0; k < count; ++k)
        for (int s = 0; s < data_.valid_rows(b + k); ++s)
          for (int c = 0; c < outputs; ++c)
            logits[((b + k) * kBlock + s) * outputs + c] = runner.output(plan, k)[c * kBlock + s];
    }
  });
}

}  // namespace chop::evaluator
