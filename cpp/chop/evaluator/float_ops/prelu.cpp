// x where x > 0, else x times a weight: one for all, or one for each channel.
#include "chop/evaluator/float_ops/layout.h"
#include "chop/evaluator/step.h"
#include "chop/kernels/kernels.h"

namespace chop::evaluator {
namespace {

using ir::Node;
using Inputs = std::vector<const Node*>;

class PreluStep : public Step {
 public:
  PreluStep(const Node& node, int channel)
      : Step(row_count(node, node.shape)), slopes_(node.values("weight")), channel_(channel) {}

  void run(const void* const* in, void* out) const override {
    for (int first = 0, c = 0; first < groups(); first += channel_, ++c) {
      const float slope[3] = {slopes_[static_cast<size_t>(c)]};
      const int64_t at = int64_t{first} * kBlock;
      kernels().activation(Activation::leaky_relu, slope, static_cast<const float*>(in[0]) + at,
                           static_cast<float*>(out) + at, channel_);
    }
  }

 private:
  std::vector<float> slopes_;
  int channel_;  // rows of one
};

StepPtr prelu(const Node& node, const Inputs&) {
  const int rows = row_count(node, node.shape);
  const auto slopes = static_cast<int>(node.values("weight").size());
  return std::make_shared<PreluStep>(node, slopes == 0 || rows == 0 ? 1 : rows / slopes);
}

[[maybe_unused]] const bool registered = float_ops().add("prelu", {prelu, true});

}  // namespace
}  // namespace chop::evaluator
