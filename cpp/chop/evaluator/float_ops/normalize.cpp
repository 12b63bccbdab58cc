// Layer norm and group norm: neighbouring rows are brought to mean 0 and variance 1, in double, rounded once.
#include "chop/evaluator/float_ops/layout.h"
#include "chop/evaluator/step.h"
#include "chop/kernels/kernels.h"

namespace chop::evaluator {
namespace {

using ir::Node;
using Inputs = std::vector<const Node*>;

class NormalizeStep : public Step {
 public:
  // gamma and beta: one number for each row of the block, or empty.
  NormalizeStep(const Node& node, int64_t size, std::vector<float> gamma, std::vector<float> beta)
      : Step(row_count(node, node.shape)),
        size_(static_cast<int>(size)),
        eps_(node.attribute("eps")),
        gamma_(std::move(gamma)),
        beta_(std::move(beta)) {}

  void run(const void* const* in, void* out) const override {
    const auto* x = static_cast<const float*>(in[0]);
    auto* y = static_cast<float*>(out);
    for (int first = 0; first < groups(); first += size_)
      kernels().rows.normalize(x + int64_t{first} * kBlock, size_, eps_, gamma_.empty() ? nullptr : &gamma_[first],
                               beta_.empty() ? nullptr : &beta_[first], y + int64_t{first} * kBlock);
  }

 private:
  int size_;  // rows that are normalized together
  double eps_;
  std::vector<float> gamma_, beta_;
};

// The parameter for each of `rows` rows: number i is row / repeat modulo its size.
std::vector<float> spread(const Node& node, const char* name, int rows, int64_t repeat) {
  if (!node.parameter(name)) return {};
  const std::vector<float>& values = node.values(name);
  std::vector<float> found;
  for (int64_t r = 0; r < rows; ++r)
    found.push_back(values[static_cast<size_t>(r / repeat % static_cast<int64_t>(values.size()))]);
  return found;
}

StepPtr layer_norm(const Node& node, const Inputs&) {
  const int rows = row_count(node, node.shape);
  const int64_t size = element_count(node.list("normalized_shape"));
  return std::make_shared<NormalizeStep>(node, size, spread(node, "weight", rows, 1), spread(node, "bias", rows, 1));
}

StepPtr group_norm(const Node& node, const Inputs&) {
  const int rows = row_count(node, node.shape);
  const int64_t channel = node.shape[1] == 0 ? 1 : rows / node.shape[1];  // rows of one
  const int64_t size = channel * (node.shape[1] / node.integer("num_groups"));
  return std::make_shared<NormalizeStep>(node, size, spread(node, "weight", rows, channel),
                                         spread(node, "bias", rows, channel));
}

[[maybe_unused]] const bool registered[] = {
    float_ops().add("layer_norm", {layer_norm, false}),
    float_ops().add("group_norm", {group_norm, false}),
};

}  // namespace
}  // namespace chop::evaluator
