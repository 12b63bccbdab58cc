// Rows of a table by index. The evaluator's data are floats, so the indices are floats that hold whole numbers.
#include <algorithm>
#include <limits>

#include "chop/core/check.h"
#include "chop/evaluator/float_ops/layout.h"
#include "chop/evaluator/step.h"
#include "chop/kernels/kernels.h"

namespace chop::evaluator {
namespace {

using ir::Node;
using Inputs = std::vector<const Node*>;

// What hands on the numbers of an input as they are.
const std::vector<std::string> kKeepsIndices{"input",     "identity", "flatten",   "view", "permute",
                                             "transpose", "squeeze",  "unsqueeze", "cat",  "stack"};

class EmbeddingStep : public Step {
 public:
  EmbeddingStep(const Node& node, const Node& input)
      : Step(row_count(node, node.shape)),
        indices_(row_count(node, input.shape)),
        entries_(node.parameter("weight")->shape[0]),
        width_(node.parameter("weight")->shape[1]),
        table_(node.values("weight")) {}

  // An index that the table lacks gives NaN: rows of a block that hold no data may be anything.
  void run(const void* const* in, void* out) const override {
    const auto* x = static_cast<const float*>(in[0]);
    auto* y = static_cast<float*>(out);
    for (int64_t i = 0; i < indices_; ++i)
      for (int64_t s = 0; s < kBlock; ++s) {
        const float* entry = find(x[i * kBlock + s]);
        for (int64_t f = 0; f < width_; ++f)
          y[(i * width_ + f) * kBlock + s] = entry ? entry[f] : std::numeric_limits<float>::quiet_NaN();
      }
  }

 private:
  const float* find(float index) const {
    if (!(index >= 0.0f && index < static_cast<float>(entries_))) return nullptr;
    const auto entry = static_cast<int64_t>(index);
    return static_cast<float>(entry) == index ? table_.data() + entry * width_ : nullptr;
  }

  int64_t indices_, entries_, width_;
  std::vector<float> table_;
};

StepPtr embedding(const Node& node, const Inputs& inputs) {
  const Node& input = *inputs[0];
  check(std::find(kKeepsIndices.begin(), kKeepsIndices.end(), input.op->name) != kKeepsIndices.end(),
        "evaluator: node ", node.name, " (embedding) needs indices, but ", input.name, " (", input.op->name,
        ") computes numbers");
  check(node.parameter("weight")->shape[0] <= 1 << 24, "evaluator: node ", node.name,
        " (embedding) has more entries than a float can number");
  return std::make_shared<EmbeddingStep>(node, input);
}

[[maybe_unused]] const bool registered = float_ops().add("embedding", {embedding, true});

}  // namespace
}  // namespace chop::evaluator
