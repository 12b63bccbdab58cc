// Signal to quantization noise ratio of the logits.
#include <cmath>
#include <limits>

#include "chop/evaluator/metrics/output_squares.h"

namespace chop::evaluator {
namespace {

class OutputSqnr final : public MetricWith<OutputSquares> {
 public:
  explicit OutputSqnr(const Population&) {}
  Needs needs() const override { return reference_only(); }

 protected:
  OutputSquares begin(int64_t first_row) const override { return OutputSquares(first_row); }
  MetricValue value_of(const Counts&, const OutputSquares& seen) const override {
    const double error = seen.error.sum();
    if (error == 0.0) return number(std::numeric_limits<double>::infinity());
    return number(10.0 * std::log10(seen.signal.sum() / error));
  }
};

[[maybe_unused]] const bool registered = add_plain_metric<OutputSqnr>(
    "output_sqnr", "dB", "maximize",
    "10 log10 of the sum of the float model's squared logits over the sum of the squared differences from them; inf "
    "where nothing differs");

}  // namespace
}  // namespace chop::evaluator
