#include "chop/evaluator/float_ops/copy.h"

#include <algorithm>
#include <cstring>

#include "chop/kernels/kernels.h"

namespace chop::evaluator {
namespace {

class CopyStep : public Step {
 public:
  CopyStep(int rows, std::vector<Run> runs, float fill) : Step(rows), runs_(std::move(runs)), fill_(fill) {}

  void run(const void* const* in, void* out) const override {
    auto* to = static_cast<float*>(out);
    for (const Run& run : runs_) {
      const int64_t count = run.count * kBlock;
      if (run.input == kFill) {
        std::fill(to, to + count, fill_);
      } else {
        std::memcpy(to, static_cast<const float*>(in[run.input]) + run.first * kBlock,
                    static_cast<size_t>(count) * sizeof(float));
      }
      to += count;
    }
  }

 private:
  std::vector<Run> runs_;
  float fill_;
};

}  // namespace

void append(std::vector<Run>& runs, int input, int64_t row, int64_t count) {
  if (count == 0) return;
  const bool follows =
      !runs.empty() && runs.back().input == input && (input == kFill || runs.back().first + runs.back().count == row);
  if (follows) {
    runs.back().count += count;
  } else {
    runs.push_back({input, row, count});
  }
}

StepPtr copy(const ir::Node& node, std::vector<Run> runs, float fill) {
  return std::make_shared<CopyStep>(row_count(node, node.shape), std::move(runs), fill);
}

StepPtr copy(const ir::Node& node, const Layout& from) {
  std::vector<Run> runs;
  for (const int32_t row : from.rows()) append(runs, 0, row, 1);
  return copy(node, std::move(runs));
}

Layout layout_of(const ir::Node& node, const ir::Node& input) {
  row_count(node, input.shape);
  return Layout::row_major(sample_shape(node, input.shape));
}

}  // namespace chop::evaluator
