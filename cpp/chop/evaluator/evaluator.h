// Data and weights stay resident; a quantization config is a value handed in. Results are free of memory.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "chop/core/fork.h"
#include "chop/core/parallel.h"
#include "chop/evaluator/certificate.h"
#include "chop/evaluator/dataset.h"
#include "chop/evaluator/input_cache.h"
#include "chop/evaluator/metrics/metric_set.h"
#include "chop/evaluator/planner.h"

namespace chop::evaluator {

// Whether to go on with a config. seen: of its first `rows` rows, support being that of all rows; values: of the
// metrics, as if all other rows added nothing to them. Asked by one thread, between parts of the data.
using GoOn =
    std::function<bool(size_t config, const Counts& seen, const std::vector<MetricValue>& values, int64_t rows)>;

class Evaluator {
 public:
  // x: [rows][features]; labels: rows, or null. Both are copied. Throws std::invalid_argument on what does not fit the
  // graph.
  Evaluator(ir::Graph graph, const float* x, const int64_t* labels, int64_t rows, int64_t features, int threads,
            bool fused_affine, std::map<std::string, TorchCallPtr> calls = {});

  // One value for each metric of each config: the same for any number of threads and any company of other configs and
  // metrics, bit for bit.
  std::vector<std::vector<MetricValue>> evaluate(const std::vector<Config>& configs,
                                                 const std::vector<MetricSpec>& metrics) const {
    return evaluate(configs, metrics, pool_, nullptr);
  }
  // On the caller's threads. A config that is given up has no values; where and how often go_on is asked depends on the
  // rows alone. Null: all are finished.
  std::vector<std::vector<MetricValue>> evaluate(const std::vector<Config>& configs,
                                                 const std::vector<MetricSpec>& metrics, const ThreadPool& pool,
                                                 const GoOn& go_on) const;
  // How many of the first `rows` rows are of each class; empty without labels.
  std::vector<int64_t> support(int64_t rows) const;

  // logits: [rows][outputs].
  void forward(const Config& config, float* logits) const;

  // One entry for each layer whose operands are all on grids. A pass over the data in plain code.
  std::vector<LayerCertificate> certificate(const Config& config) const;

  std::vector<LayerReport> layers(const Config& config) const { return planner_.plan(config).layers; }
  const Planner& planner() const { return planner_; }
  int64_t rows() const { return data_.rows(); }
  int outputs() const { return planner_.outputs(); }  // numbers in a row of the result
  ir::Shape output_shape() const;                     // of a row
  int threads() const { return pool_.threads(); }

 private:
  std::shared_ptr<const MetricSet> metric_set(const std::vector<MetricSpec>& metrics) const;
  size_t output_dimensions() const;
  std::vector<Plan> plans(const std::vector<Config>& configs, const ThreadPool& pool) const;

  Planner planner_;
  Dataset data_;
  ThreadPool pool_;
  InputCache inputs_;
  mutable ForkMutex metrics_mutex_;
  mutable std::vector<MetricSpec> asked_;
  mutable std::shared_ptr<const MetricSet> metrics_;
};

}  // namespace chop::evaluator
