// Rows on which the float model predicts the same class.
#include "chop/evaluator/metrics/metric.h"

namespace chop::evaluator {
namespace {

struct EqualRows {
  int64_t equal = 0;

  void add(const BlockView& block) {
    static constexpr Label kNoLabels[kBlock] = {};
    BlockScore score;
    kernels().classify(block.reference, block.classes, kNoLabels, block.valid, false, &score);
    for (int s = 0; s < block.valid; ++s) equal += score.predicted[s] == block.predicted[s];
  }
  void merge(const EqualRows& later) { equal += later.equal; }
};

class Agreement final : public MetricWith<EqualRows> {
 public:
  explicit Agreement(const Population&) {}
  Needs needs() const override {
    Needs result;
    result.labels = false;
    result.predictions = result.reference = true;
    return result;
  }

 protected:
  EqualRows begin(int64_t) const override { return {}; }
  MetricValue value_of(const Counts& counts, const EqualRows& seen) const override {
    return number(static_cast<double>(seen.equal) / static_cast<double>(counts.rows));
  }
};

[[maybe_unused]] const bool registered = add_plain_metric<Agreement>(
    "agreement", "fraction", "maximize", "rows that are predicted as the float model predicts them, over all rows");

}  // namespace
}  // namespace chop::evaluator
