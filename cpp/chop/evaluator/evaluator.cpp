#include "chop/evaluator/evaluator.h"

#include <algorithm>
#include <deque>
#include <optional>

#include "chop/core/check.h"
#include "chop/evaluator/runner.h"
#include "chop/evaluator/schedule.h"
#include "chop/kernels/kernels.h"

namespace chop::evaluator {
namespace {

static_assert(kChunk * kBlock % kSumRows == 0);  // so that sums do not depend on the chunks
constexpr int64_t kStages = 16;                  // of the data, where configs may be given up on the way

// Part `index` of `parts` nearly equal parts of [0, count).
Span part_of(int64_t count, int64_t parts, int64_t index) {
  return {count * index / parts, count * (index + 1) / parts};
}

using ScoresPtr = std::unique_ptr<Scores>;

// Whether the plans of a range, from the second on, begin with too little of the one before to keep all that planes
// hold for it: one plan's planes stay in the caches.
bool run_apart(const Schedule& schedule, Span plans) {
  for (int64_t i = plans.first; i < plans.last; ++i) {
    const Plan& plan = schedule.at(static_cast<size_t>(i));
    const size_t shared = i == plans.first ? 0 : schedule.shared[static_cast<size_t>(i)];
    if (plan.images == 0 || 2 * shared > plan.steps.size()) return false;
  }
  return true;
}

// The plans of one range on the blocks of one chunk: found[i] belongs to the plan at plans.first + i. reference: of the
// float model, null where no metric compares with it.
std::vector<ScoresPtr> score_chunk(const Schedule& schedule, Span plans, const Plan* reference, const Dataset& data,
                                   Span blocks, const MetricSet& metrics) {
  std::vector<const Plan*> all;
  std::vector<ScoresPtr> found;
  for (int64_t i = plans.first; i < plans.last; ++i) {
    all.push_back(&schedule.at(static_cast<size_t>(i)));
    found.push_back(metrics.start(blocks.first * kBlock));
  }
  if (!reference && all.size() > 1 && run_apart(schedule, plans)) {
    for (int64_t i = plans.first; i < plans.last; ++i) {
      std::vector<ScoresPtr> one = score_chunk(schedule, {i, i + 1}, nullptr, data, blocks, metrics);
      found[static_cast<size_t>(i - plans.first)] = std::move(one.front());
    }
    return found;
  }
  const int together = reference ? reference->together : 1;
  Runner runner = all.size() == 1 ? Runner(*all.front(), data, together) : Runner(all, data, together);
  std::optional<Runner> float_model;
  if (reference) float_model.emplace(*reference, data, runner.together());
  for (int64_t b = blocks.first; b < blocks.last; b += runner.together()) {
    const auto count = static_cast<int>(std::min<int64_t>(runner.together(), blocks.last - b));
    if (float_model) float_model->run(*reference, b, count, 0);
    for (size_t i = 0; i < all.size(); ++i) {
      const size_t done = i == 0 ? 0 : schedule.shared[static_cast<size_t>(plans.first) + i];
      runner.run(*all[i], b, count, done);
      for (int k = 0; k < count; ++k)
        found[i]->add((b + k) * kBlock, data.valid_rows(b + k), runner.output(*all[i], k), data.labels(b + k),
                      float_model ? float_model->output(*reference, k) : nullptr);
    }
  }
  return found;
}

// A task is a chunk of the data and, where there are few chunks for the threads, a part of the plans.
void score_chunks(const Schedule& schedule, const Plan* reference, const Dataset& data, Span chunks,
                  const MetricSet& metrics, const ThreadPool& pool, std::deque<OrderedScores>* joined) {
  const auto count = static_cast<int64_t>(schedule.order.size());
  const int64_t size = chunks.last - chunks.first, threads = pool.threads();
  const int64_t parts = threads == 1 ? 1 : std::clamp<int64_t>(4 * threads / size, 1, std::max<int64_t>(count, 1));
  pool.run(size * parts, [&](int64_t task) {
    const int64_t chunk = chunks.first + task / parts;
    const Span part = part_of(count, parts, task % parts);
    std::vector<ScoresPtr> found = score_chunk(schedule, part, reference, data, data.chunk(chunk), metrics);
    for (size_t i = 0; i < found.size(); ++i)
      (*joined)[schedule.order[static_cast<size_t>(part.first) + i]].put(chunk, std::move(found[i]));
  });
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
               std::move(calls), rows),
      data_(x, labels, rows, planner_.inputs(), planner_.outputs(), planner_.images()),
      pool_(threads) {}

std::vector<Plan> Evaluator::plans(const std::vector<Config>& configs, const ThreadPool& pool) const {
  std::vector<Plan> plans;
  for (const Config& config : configs) plans.push_back(planner_.plan(config));
  inputs_.fill(&plans, data_, pool);
  return plans;
}

// The set asked for last is kept: a search asks for the same one in each trial.
std::shared_ptr<const MetricSet> Evaluator::metric_set(const std::vector<MetricSpec>& metrics) const {
  const std::lock_guard lock(metrics_mutex_);
  if (!metrics_ || asked_ != metrics) {
    metrics_ = std::make_shared<MetricSet>(metrics, Population{planner_.outputs(), data_.rows(), data_.support()});
    asked_ = metrics;
  }
  return metrics_;
}

std::vector<std::vector<MetricValue>> Evaluator::evaluate(const std::vector<Config>& configs,
                                                          const std::vector<MetricSpec>& metrics,
                                                          const ThreadPool& pool, const GoOn& go_on) const {
  const size_t dimensions = output_dimensions();
  check(dimensions == 1, "evaluator: metrics need one row of logits for each row of data; a row of the output has ",
        dimensions, " dimensions");
  const std::shared_ptr<const MetricSet> asked = metric_set(metrics);
  const MetricSet& set = *asked;
  Schedule schedule(plans(configs, pool));
  const std::vector<Plan> reference = plans(std::vector<Config>(set.needs_reference() ? 1 : 0), pool);
  const int64_t chunks = data_.chunks();
  const int64_t stages = go_on ? std::min(chunks, kStages) : 1;
  std::deque<OrderedScores> joined;
  for (size_t i = 0; i < configs.size(); ++i) joined.emplace_back(set);
  for (int64_t stage = 0; stage < stages; ++stage) {
    const Span part = part_of(chunks, stages, stage);
    score_chunks(schedule, reference.empty() ? nullptr : &reference.front(), data_, part, set, pool, &joined);
    if (stage + 1 == stages) break;
    const int64_t rows = part.last * kChunk * kBlock;
    schedule.keep([&](size_t i) {
      const Scores& seen = joined[i].joined();
      return go_on(i, set.counts(seen), set.values(seen), rows);
    });
  }
  std::vector<std::vector<MetricValue>> results(configs.size());
  for (const size_t i : schedule.order) results[i] = set.values(joined[i].joined());
  return results;
}

std::vector<int64_t> Evaluator::support(int64_t rows) const {
  std::vector<int64_t> found(data_.support().size(), 0);
  if (data_.labelled())
    for (int64_t row = 0; row < std::min(rows, data_.rows()); ++row) ++found[data_.labels(row / kBlock)[row % kBlock]];
  return found;
}

std::vector<LayerCertificate> Evaluator::certificate(const Config& config) const {
  std::vector<ObservedLayer> layers;
  const Plan plan = planner_.plan(config, &layers);
  std::vector<std::vector<LayerObserver>> seen(static_cast<size_t>(data_.chunks()));
  pool_.run(data_.chunks(), [&](int64_t chunk) {
    std::vector<LayerObserver>& observers = seen[static_cast<size_t>(chunk)];
    for (const ObservedLayer& layer : layers) observers.emplace_back(layer);
    Runner runner({&plan}, data_);
    runner.each(plan, data_.chunk(chunk), [&](int64_t b, int k) {
      for (size_t i = 0; i < layers.size(); ++i)
        observers[i].add(static_cast<const float*>(runner.block(layers[i].block, k)), b * kBlock, data_.valid_rows(b));
    });
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

size_t Evaluator::output_dimensions() const {
  const ir::Graph& graph = planner_.graph();
  return graph.nodes()[static_cast<size_t>(graph.output())].shape.size() - 1;
}

void Evaluator::forward(const Config& config, float* logits) const {
  const std::vector<Plan> made = plans({config}, pool_);
  const Plan& plan = made.front();
  const int outputs = planner_.outputs();
  pool_.run(data_.chunks(), [&](int64_t chunk) {
    Runner runner(plan, data_);
    runner.each(plan, data_.chunk(chunk), [&](int64_t b, int k) {
      for (int s = 0; s < data_.valid_rows(b); ++s)
        for (int c = 0; c < outputs; ++c)
          logits[(b * kBlock + s) * outputs + c] = runner.output(plan, k)[c * kBlock + s];
    });
  });
}

}  // namespace chop::evaluator
