// Arithmetic of two nodes, with broadcasting.
#include "chop/core/check.h"
#include "chop/evaluator/float_ops/layout.h"
#include "chop/evaluator/step.h"
#include "chop/kernels/kernels.h"

namespace chop::evaluator {
namespace {

using ir::Node;
using Inputs = std::vector<const Node*>;

// The input's row for each row of the node; empty where they are the same.
std::vector<int32_t> broadcast_rows(const Node& node, const Node& input) {
  if (input.shape == node.shape) return {};
  check(input.shape.size() == node.shape.size(), "evaluator: node ", node.name, " (", node.op->name,
        "): ", ir::shape_text(input.shape), " has its batch in another place than the result ",
        ir::shape_text(node.shape));
  Layout layout = Layout::row_major(sample_shape(node, input.shape));
  const ir::Shape sizes = sample_shape(node, node.shape);
  for (size_t i = 0; i < sizes.size(); ++i)
    if (layout.sizes[i] != sizes[i]) layout.strides[i] = 0;
  layout.sizes = sizes;
  return layout.rows();
}

class CombineStep : public Step {
 public:
  CombineStep(const Node& node, const Inputs& inputs, Arithmetic op)
      : Step(row_count(node, node.shape)),
        op_(op),
        left_(broadcast_rows(node, *inputs[0])),
        right_(broadcast_rows(node, *inputs[1])) {}

  void run(const void* const* in, void* out) const override {
    kernels().rows.combine(op_, static_cast<const float*>(in[0]), table(left_), static_cast<const float*>(in[1]),
                           table(right_), static_cast<float*>(out), groups());
  }

 private:
  static const int32_t* table(const std::vector<int32_t>& rows) { return rows.empty() ? nullptr : rows.data(); }

  Arithmetic op_;
  std::vector<int32_t> left_, right_;
};

template <Arithmetic op>
StepPtr combine(const Node& node, const Inputs& inputs) {
  return std::make_shared<CombineStep>(node, inputs, op);
}

[[maybe_unused]] const bool registered[] = {
    float_ops().add("add", {combine<Arithmetic::add>, true}),
    float_ops().add("sub", {combine<Arithmetic::subtract>, true}),
    float_ops().add("mul", {combine<Arithmetic::multiply>, true}),
    float_ops().add("div", {combine<Arithmetic::divide>, true}),
    float_ops().add("minimum", {combine<Arithmetic::smaller>, true}),
    float_ops().add("maximum", {combine<Arithmetic::larger>, true}),
};

}  // namespace
}  // namespace chop::evaluator
