// Divergence of the predicted distribution from the float model's.
#include "chop/evaluator/metrics/output_squares.h"

namespace chop::evaluator {
namespace {

struct Divergence {
  RowSums sums;

  void add(const BlockView& block) {
    sums.add(block.first_row, kernels().outputs.divergence(block.logits, block.reference, block.classes, block.valid));
  }
  void merge(const Divergence& later) { sums.merge(later.sums); }
};

class OutputKl final : public MetricWith<Divergence> {
 public:
  explicit OutputKl(const Population&) {}
  Needs needs() const override { return reference_only(); }

 protected:
  Divergence begin(int64_t first_row) const override { return {RowSums(first_row)}; }
  MetricValue value_of(const Counts& counts, const Divergence& seen) const override {
    return number(seen.sums.sum() / static_cast<double>(counts.rows));
  }
};

[[maybe_unused]] const bool registered = add_plain_metric<OutputKl>(
    "output_kl", "nat", "minimize",
    "Kullback-Leibler divergence KL(softmax(float model's logits) || softmax(logits)), mean over rows");

}  // namespace
}  // namespace chop::evaluator
