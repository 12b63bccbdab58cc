// Sums and means. Added up in double and rounded once: torch's order follows its vectors and the memory layout, and
// the sum rounded once is the one that it comes closest to.
#include "chop/evaluator/float_ops/layout.h"
#include "chop/evaluator/float_ops/row_sets.h"
#include "chop/evaluator/step.h"
#include "chop/kernels/kernels.h"

namespace chop::evaluator {
namespace {

using ir::Node;
using Inputs = std::vector<const Node*>;

class SumStep : public Step {
 public:
  SumStep(int rows, OwnedRowSets sets, std::vector<float> divisors)
      : Step(rows), sets_(std::move(sets)), divisors_(std::move(divisors)) {}

  void run(const void* const* in, void* out) const override {
    auto* y = static_cast<float*>(out);
    kernels().rows.sum_wide(sets_.view(), static_cast<const float*>(in[0]), y);
    if (!divisors_.empty()) kernels().rows.divide(y, divisors_.data(), groups());
  }

 private:
  OwnedRowSets sets_;
  std::vector<float> divisors_;
};

// The input's dimensions with the reduced ones last.
template <bool mean>
StepPtr reduce(const Node& node, const Inputs& inputs) {
  const ir::Shape& shape = inputs[0]->shape;
  const int outputs = row_count(node, node.shape);
  row_count(node, shape);
  const Layout from = Layout::row_major(sample_shape(node, shape));
  std::vector<bool> reduced(from.sizes.size());
  for (const int64_t dim : node.list("dims")) reduced[sample_dim(node, dim, shape.size())] = true;
  Layout layout;
  int64_t terms = 1;
  for (const bool last : {false, true})
    for (size_t i = 0; i < from.sizes.size(); ++i)
      if (reduced[i] == last) {
        layout.sizes.push_back(from.sizes[i]);
        layout.strides.push_back(from.strides[i]);
        terms *= last ? from.sizes[i] : 1;
      }
  const std::vector<int32_t> rows = layout.rows();
  OwnedRowSets sets;
  for (int64_t o = 0; o < outputs; ++o) {
    for (int64_t k = 0; k < terms; ++k) sets.add(rows[static_cast<size_t>(o * terms + k)]);
    sets.close();
  }
  std::vector<float> divisors;
  if (mean) divisors.assign(static_cast<size_t>(outputs), static_cast<float>(terms));
  return std::make_shared<SumStep>(outputs, std::move(sets), std::move(divisors));
}

[[maybe_unused]] const bool registered[] = {
    float_ops().add("sum", {reduce<false>, false}),
    float_ops().add("mean", {reduce<true>, false}),
};

}  // namespace
}  // namespace chop::evaluator
