// Rows whose label is among the k largest logits.
#include "chop/evaluator/metrics/metric.h"

namespace chop::evaluator {
namespace {

// Logits of a row in order: NaN first, then the larger ones; of equal ones the lower class. So k = 1 is the prediction.
int right_rows(const BlockView& block, int k) {
  float of_label[kBlock];
  int before[kBlock] = {};
  for (int s = 0; s < kBlock; ++s) of_label[s] = block.logits[static_cast<int>(block.labels[s]) * kBlock + s];
  for (int c = 0; c < block.classes; ++c) {
    const float* row = block.logits + c * kBlock;
    for (int s = 0; s < kBlock; ++s) {
      const float v = row[s], own = of_label[s];
      const bool nan = v != v, own_nan = own != own, lower = c < static_cast<int>(block.labels[s]);
      const bool ahead = (nan & !own_nan) | (v > own), equal = (nan & own_nan) | (v == own);
      before[s] += ahead | (equal & lower);
    }
  }
  int right = 0;
  for (int s = 0; s < block.valid; ++s) right += before[s] < k;
  return right;
}

struct RightRows {
  int k;
  int64_t right = 0;

  void add(const BlockView& block) { right += right_rows(block, k); }
  void merge(const RightRows& later) { right += later.right; }
};

class TopK final : public MetricWith<RightRows> {
 public:
  explicit TopK(int64_t k) : k_(static_cast<int>(k)) {}
  Needs needs() const override {
    Needs result;
    result.logits = true;
    return result;
  }

 protected:
  RightRows begin(int64_t) const override { return {k_}; }
  MetricValue value_of(const Counts& counts, const RightRows& seen) const override {
    return number(static_cast<double>(seen.right) / static_cast<double>(counts.rows));
  }

 private:
  int k_;
};

[[maybe_unused]] const bool registered = metrics().add(
    "top_k", {"fraction",
              "maximize",
              "rows whose label is among the k largest logits over all rows; of equal logits the lower class comes "
              "first, and NaN comes before all, so that k = 1 is accuracy_micro",
              {{"k", std::nullopt, 1, true, "how many of the largest logits"}},
              [](const MetricOptions& options, const Population&) { return std::make_unique<TopK>(options.at("k")); }});

}  // namespace
}  // namespace chop::evaluator
