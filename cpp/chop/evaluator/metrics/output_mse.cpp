// Mean squared error of the logits against the float model's.
#include "chop/evaluator/metrics/output_squares.h"

namespace chop::evaluator {
namespace {

class OutputMse final : public MetricWith<OutputSquares> {
 public:
  explicit OutputMse(const Population& rows) : classes_(rows.classes) {}
  Needs needs() const override { return reference_only(); }

 protected:
  OutputSquares begin(int64_t first_row) const override { return OutputSquares(first_row); }
  MetricValue value_of(const Counts& counts, const OutputSquares& seen) const override {
    return number(seen.error.sum() / (static_cast<double>(counts.rows) * static_cast<double>(classes_)));
  }

 private:
  int classes_;
};

[[maybe_unused]] const bool registered = add_plain_metric<OutputMse>(
    "output_mse", "logit^2", "minimize",
    "squared difference between a logit and the float model's, mean over rows and classes, added up in float64");

}  // namespace
}  // namespace chop::evaluator
