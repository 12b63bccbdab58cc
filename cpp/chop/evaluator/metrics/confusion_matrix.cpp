// How many rows of each class were put into each class.
#include "chop/evaluator/metrics/metric.h"

namespace chop::evaluator {
namespace {

struct Confusion {
  std::vector<int64_t> counts;  // [label][prediction]

  void add(const BlockView& block) {
    for (int s = 0; s < block.valid; ++s)
      ++counts[static_cast<size_t>(block.labels[s]) * static_cast<size_t>(block.classes) +
               static_cast<size_t>(block.predicted[s])];
  }
  void merge(const Confusion& later) {
    for (size_t i = 0; i < counts.size(); ++i) counts[i] += later.counts[i];
  }
};

class ConfusionMatrix final : public MetricWith<Confusion> {
 public:
  explicit ConfusionMatrix(const Population& rows) : classes_(rows.classes) {}
  Needs needs() const override {
    Needs result;
    result.predictions = true;
    return result;
  }

 protected:
  Confusion begin(int64_t) const override {
    return {std::vector<int64_t>(static_cast<size_t>(classes_) * static_cast<size_t>(classes_), 0)};
  }
  MetricValue value_of(const Counts&, const Confusion& seen) const override {
    return {{seen.counts.begin(), seen.counts.end()}, {classes_, classes_}, true};
  }

 private:
  int classes_;
};

[[maybe_unused]] const bool registered = add_plain_metric<ConfusionMatrix>(
    "confusion_matrix", "rows", "", "rows of class i that were predicted as class j, at [i, j]");

}  // namespace
}  // namespace chop::evaluator
