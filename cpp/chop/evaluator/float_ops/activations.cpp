// Functions of single numbers, and softmax.
#include <array>
#include <map>
#include <utility>

#include "chop/core/check.h"
#include "chop/evaluator/float_ops/layout.h"
#include "chop/evaluator/step.h"
#include "chop/kernels/kernels.h"

namespace chop::evaluator {
namespace {

using ir::Node;
using Inputs = std::vector<const Node*>;
using Constants = std::array<float, 3>;

class ActivationStep : public Step {
 public:
  ActivationStep(const Node& node, Activation activation, Constants constants)
      : Step(row_count(node, node.shape)), activation_(activation), constants_(constants) {}

  void run(const void* const* in, void* out) const override {
    kernels().activation(activation_, constants_.data(), static_cast<const float*>(in[0]), static_cast<float*>(out),
                         groups());
  }

 private:
  Activation activation_;
  Constants constants_;
};

StepPtr activation(const Node& node, Activation activation, Constants constants = {}) {
  return std::make_shared<ActivationStep>(node, activation, constants);
}

float number(const Node& node, const char* name) { return static_cast<float>(node.attribute(name)); }

StepPtr relu6(const Node& node, const Inputs&) { return activation(node, Activation::clamp, {0.0f, 6.0f}); }
StepPtr hardtanh(const Node& node, const Inputs&) {
  return activation(node, Activation::clamp, {number(node, "min_val"), number(node, "max_val")});
}
StepPtr leaky_relu(const Node& node, const Inputs&) {
  return activation(node, Activation::leaky_relu, {number(node, "negative_slope")});
}

template <Activation found>
StepPtr plain(const Node& node, const Inputs&) {
  return activation(node, found);
}

// With a number on the other side, or in front if reversed.
template <Activation forward, Activation reversed>
StepPtr scalar(const Node& node, const Inputs&) {
  return activation(node, node.attribute("reversed") != 0.0 ? reversed : forward, {number(node, "other")});
}

// x - a is x + (-a) to the bit.
StepPtr sub_scalar(const Node& node, const Inputs&) {
  const float other = number(node, "other");
  if (node.attribute("reversed") != 0.0) return activation(node, Activation::subtract_from, {other});
  return activation(node, Activation::add, {-other});
}

StepPtr clamp(const Node& node, const Inputs&) {
  return activation(node, Activation::clamp, {number(node, "min"), number(node, "max")});
}
StepPtr clamp_min(const Node& node, const Inputs&) {
  return activation(node, Activation::raise, {number(node, "min")});
}
StepPtr clamp_max(const Node& node, const Inputs&) {
  return activation(node, Activation::lower, {number(node, "max")});
}
StepPtr softplus(const Node& node, const Inputs&) {
  return activation(node, Activation::softplus, {number(node, "beta"), number(node, "threshold")});
}
StepPtr elu(const Node& node, const Inputs&) {
  const float scale = number(node, "scale");
  return activation(node, Activation::elu, {number(node, "alpha") * scale, scale, number(node, "input_scale")});
}

// The exponents that torch computes by arithmetic; its other powers come from a library.
StepPtr pow_scalar(const Node& node, const Inputs&) {
  static const std::map<double, std::pair<Activation, float>> known{{-2.0, {Activation::inverse_square, 0.0f}},
                                                                    {-1.0, {Activation::divide_into, 1.0f}},
                                                                    {-0.5, {Activation::inverse_root, 0.0f}},

                                                                    {1.0, {Activation::multiply, 1.0f}},
                                                                    {2.0, {Activation::square, 0.0f}},
                                                                    {3.0, {Activation::cube, 0.0f}}};
  const double exponent = node.attribute("exponent");
  const auto found = known.find(exponent);
  check(found != known.end(), "evaluator: node ", node.name, " (pow_scalar): the exponent must be -2, -1, -0.5, 1, 2 ",
        "or 3, got ", exponent);
  return activation(node, found->second.first, {found->second.second});
}

class SoftmaxStep : public Step {
 public:
  SoftmaxStep(const Node& node, bool logarithm) : Step(row_count(node, node.shape)), logarithm_(logarithm) {
    const ir::Shape sizes = sample_shape(node, node.shape);
    const size_t dim = sample_dim(node, node.integer("dim"), node.shape.size());
    size_ = static_cast<int>(sizes[dim]);
    inner_ = element_count({sizes.begin() + static_cast<int64_t>(dim) + 1, sizes.end()});
  }

  void run(const void* const* in, void* out) const override {
    const auto* x = static_cast<const float*>(in[0]);
    auto* y = static_cast<float*>(out);
    for (int64_t outer = 0; outer < groups(); outer += size_ * inner_)
      for (int64_t i = outer; i < outer + inner_; ++i)
        kernels().rows.softmax(x + i * kBlock, size_, inner_, logarithm_, y + i * kBlock);
  }

 private:
  bool logarithm_;
  int size_;
  int64_t inner_;  // rows from one number of the dimension to the next
};

template <bool logarithm>
StepPtr softmax(const Node& node, const Inputs&) {
  return std::make_shared<SoftmaxStep>(node, logarithm);
}

[[maybe_unused]] const bool registered[] = {
    float_ops().add("relu6", {relu6, true}),
    float_ops().add("hardtanh", {hardtanh, true}),
    float_ops().add("leaky_relu", {leaky_relu, true}),
    float_ops().add("hardswish", {plain<Activation::hard_swish>, true}),
    float_ops().add("hardsigmoid", {plain<Activation::hard_sigmoid>, true}),
    float_ops().add("neg", {plain<Activation::negate>, true}),
    float_ops().add("add_scalar", {scalar<Activation::add, Activation::add>, true}),
    float_ops().add("sub_scalar", {sub_scalar, true}),
    float_ops().add("mul_scalar", {scalar<Activation::multiply, Activation::multiply>, true}),
    float_ops().add("div_scalar", {scalar<Activation::divide, Activation::divide_into>, true}),
    float_ops().add("clamp", {clamp, true}),
    float_ops().add("clamp_min", {clamp_min, true}),
    float_ops().add("clamp_max", {clamp_max, true}),
    float_ops().add("abs", {plain<Activation::absolute>, true}),
    float_ops().add("sqrt", {plain<Activation::square_root>, false}),
    float_ops().add("rsqrt", {plain<Activation::inverse_root>, true}),
    float_ops().add("softsign", {plain<Activation::softsign>, true}),
    float_ops().add("pow_scalar", {pow_scalar, true}),
    float_ops().add("sigmoid", {plain<Activation::sigmoid>, false}),
    float_ops().add("tanh", {plain<Activation::tanh>, false}),
    float_ops().add("gelu", {plain<Activation::gelu>, false}),
    float_ops().add("gelu_tanh", {plain<Activation::gelu_tanh>, false}),
    float_ops().add("mish", {plain<Activation::mish>, false}),
    float_ops().add("logsigmoid", {plain<Activation::log_sigmoid>, false}),
    float_ops().add("softplus", {softplus, false}),
    float_ops().add("elu", {elu, false}),
    float_ops().add("exp", {plain<Activation::exponential>, false}),
    float_ops().add("log", {plain<Activation::logarithm>, false}),
    float_ops().add("silu", {plain<Activation::silu>, false}),
    float_ops().add("softmax", {softmax<false>, false}),
    float_ops().add("log_softmax", {softmax<true>, false}),
};

}  // namespace
}  // namespace chop::evaluator
