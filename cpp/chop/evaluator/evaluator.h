// Data and weights stay resident; a quantization config is a value handed in. Every call is free of memory.
#pragma once

#include <vector>

#include "chop/core/parallel.h"
#include "chop/evaluator/dataset.h"
#include "chop/evaluator/metrics.h"
#include "chop/evaluator/plan.h"

namespace chop::evaluator {

class Evaluator {
 public:
  // x: [rows][features]; labels: rows. Both are copied. Throws std::invalid_argument on what does not fit the graph.
  Evaluator(ir::Graph graph, const float* x, const int64_t* labels, int64_t rows, int64_t features, int threads,
            bool fused_affine);

  // The same result for any number of threads and any company of other configs, bit for bit.
  std::vector<Metrics> evaluate(const std::vector<Config>& configs, bool want_loss) const;

  // logits: [rows][classes].
  void forward(const Config& config, float* logits) const;

  std::vector<LayerReport> layers(const Config& config) const { return planner_.plan(config).layers; }
  const Planner& planner() const { return planner_; }
  int64_t rows() const { return data_.rows(); }
  int classes() const { return planner_.classes(); }
  int threads() const { return pool_.threads(); }

 private:
  Planner planner_;
  Dataset data_;
  ThreadPool pool_;
};

}  // namespace chop::evaluator
