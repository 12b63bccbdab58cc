// Cross-entropy: the mean over rows, or MASE's unweighted mean of the means of batches.
//
// Over all rows, and in batches of a multiple of kBlock rows, the kernel's sums of whole blocks are added up; in other
// batches the losses of single rows are. Both agree to some 1e-7, the precision of the blocks' exponentials.
#include "chop/evaluator/metrics/metric.h"
#include "chop/evaluator/metrics/row_sums.h"

namespace chop::evaluator {
namespace {

struct LossSums {
  RowSums sums;
  bool of_rows;

  void add(const BlockView& block) {
    if (!of_rows) return sums.add(block.first_row, block.loss);
    for (int s = 0; s < block.valid; ++s) sums.add(block.first_row + s, block.row_losses[s]);
  }
  void merge(const LossSums& later) { sums.merge(later.sums); }
};

class Loss final : public MetricWith<LossSums> {
 public:
  explicit Loss(int64_t batch) : batch_(batch), of_rows_(batch % kBlock != 0) {}
  Needs needs() const override {
    Needs result;
    (of_rows_ ? result.row_losses : result.loss) = true;
    return result;
  }

 protected:
  LossSums begin(int64_t first_row) const override { return {RowSums(first_row, batch_), of_rows_}; }
  MetricValue value_of(const Counts& counts, const LossSums& seen) const override {
    if (batch_ > 0) return number(seen.sums.mean_of_batches(counts.rows));
    return number(seen.sums.sum() / static_cast<double>(counts.rows));
  }

 private:
  int64_t batch_;
  bool of_rows_;
};

[[maybe_unused]] const bool registered = metrics().add(
    "loss", {"nat",
             "minimize",
             "cross-entropy of the softmax of the logits, mean over rows, added up in float64; NaN if a row has a NaN "
             "or +inf logit",
             {{"mean_of_batches", 0, 0, false,
               "the unweighted mean of the means of so many consecutive rows, where a shorter last batch counts as a "
               "whole one (512: as MASE's loop reports it); 0: the mean over rows"}},
             [](const MetricOptions& options, const Population&) {
               return std::make_unique<Loss>(options.at("mean_of_batches"));
             }});

}  // namespace
}  // namespace chop::evaluator
