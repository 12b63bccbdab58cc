// Products of two activations: each sum in double, rounded once.
#include "chop/core/check.h"
#include "chop/evaluator/float_ops/layout.h"
#include "chop/evaluator/step.h"
#include "chop/kernels/kernels.h"

namespace chop::evaluator {
namespace {

using ir::Node;
using Inputs = std::vector<const Node*>;

// y[b][i][j] = sum over k of left[b][i][k] * right[b][k][j]
class MatmulStep : public Step {
 public:
  // left, right: first rows of the matrices of each b.
  MatmulStep(int rows, std::vector<int32_t> left, std::vector<int32_t> right, int inner, int columns)
      : Step(rows), left_(std::move(left)), right_(std::move(right)), inner_(inner), columns_(columns) {}

  void run(const void* const* in, void* out) const override {
    const auto *a = static_cast<const float*>(in[0]), *b = static_cast<const float*>(in[1]);
    auto* y = static_cast<float*>(out);
    const auto matrices = static_cast<int64_t>(left_.size());
    const int64_t cells = matrices == 0 ? 0 : groups() / matrices;
    for (int64_t m = 0; m < matrices; ++m)
      for (int64_t cell = 0; cell < cells; ++cell) {
        const int64_t i = cell / columns_, j = cell % columns_;
        kernels().rows.dot(a + (left_[static_cast<size_t>(m)] + i * inner_) * kBlock, 1,
                           b + (right_[static_cast<size_t>(m)] + j) * kBlock, columns_, inner_,
                           y + (m * cells + cell) * kBlock);
      }
  }

 private:
  std::vector<int32_t> left_, right_;
  int inner_, columns_;
};

// First rows of an operand's matrices, repeated over the dimensions that it lacks or has once.
std::vector<int32_t> matrices(const ir::Shape& operand, const ir::Shape& batch) {
  Layout from = Layout::row_major(operand), layout{batch, std::vector<int64_t>(batch.size()), 0};
  for (size_t i = 0; i < batch.size(); ++i)
    if (from.sizes[i] == batch[i]) layout.strides[i] = from.strides[i];
  return layout.rows();
}

StepPtr matmul(const Node& node, const Inputs& inputs) {
  for (const Node* input : inputs) {
    row_count(node, input->shape);
    // A shape of another length would have its batch somewhere else; one of two dimensions has it in the matrix.
    check(input->shape.size() == node.shape.size() && node.shape.size() >= 3, "evaluator: node ", node.name, " (",
          node.op->name, ") of ", ir::shape_text(inputs[0]->shape), " and ", ir::shape_text(inputs[1]->shape),
          " mixes the rows of the batch");
  }
  const ir::Shape a = sample_shape(node, inputs[0]->shape), b = sample_shape(node, inputs[1]->shape);
  const ir::Shape to = sample_shape(node, node.shape), batch{to.begin(), to.end() - 2};
  return std::make_shared<MatmulStep>(row_count(node, node.shape), matrices(a, batch), matrices(b, batch),
                                      static_cast<int>(a.back()), static_cast<int>(to.back()));
}

[[maybe_unused]] const bool registered[] = {
    float_ops().add("matmul", {matmul, false}),
    float_ops().add("bmm", {matmul, false}),
};

}  // namespace
}  // namespace chop::evaluator
