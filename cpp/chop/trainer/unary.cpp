#include "chop/trainer/unary.h"

#include <map>

#include "chop/core/check.h"

namespace chop::trainer {

using ir::Node;

void refuse(const Node& node, const std::string& why) {
  fail("training: node ", node.name, " (", node.op->name, ") ", why);
}

std::optional<TrainUnaryOp> unary_of(const Node& node) {
  const std::string& op = node.op->name;
  const auto number = [&](const char* name) { return node.attribute(name); };
  const double big = 1e300;
  if (op == "leaky_relu") return TrainUnaryOp{TrainUnary::leaky_relu, number("negative_slope")};
  if (op == "hardtanh") return TrainUnaryOp{TrainUnary::clamp, number("min_val"), number("max_val"), 0};
  if (op == "relu6") return TrainUnaryOp{TrainUnary::clamp, 0, 6, 0};
  if (op == "clamp") return TrainUnaryOp{TrainUnary::clamp, number("min"), number("max"), 1};
  if (op == "clamp_min") return TrainUnaryOp{TrainUnary::clamp, number("min"), big, 1};
  if (op == "clamp_max") return TrainUnaryOp{TrainUnary::clamp, -big, number("max"), 1};
  if (op == "neg") return TrainUnaryOp{TrainUnary::affine, -1};
  if (op == "softplus") return TrainUnaryOp{TrainUnary::softplus, number("beta"), number("threshold")};
  if (op == "elu") {
    const double scale = number("scale");
    return TrainUnaryOp{TrainUnary::elu, number("alpha") * scale, scale, number("input_scale")};
  }
  static const std::map<std::string, TrainUnary> plain{{"sigmoid", TrainUnary::sigmoid},
                                                       {"tanh", TrainUnary::tanh},
                                                       {"gelu", TrainUnary::gelu},
                                                       {"gelu_tanh", TrainUnary::gelu_tanh},
                                                       {"silu", TrainUnary::silu},
                                                       {"mish", TrainUnary::mish},
                                                       {"logsigmoid", TrainUnary::log_sigmoid},
                                                       {"softsign", TrainUnary::softsign},
                                                       {"hardsigmoid", TrainUnary::hard_sigmoid},
                                                       {"hardswish", TrainUnary::hard_swish},
                                                       {"exp", TrainUnary::exponential}};
  const auto found = plain.find(op);
  if (found == plain.end()) return std::nullopt;
  return TrainUnaryOp{found->second};
}

std::optional<TrainUnaryOp> scalar_of(const Node& node) {
  const std::string& op = node.op->name;
  if (op != "add_scalar" && op != "sub_scalar" && op != "mul_scalar" && op != "div_scalar") return std::nullopt;
  const double other = node.attribute("other");
  const bool reversed = node.attribute("reversed") != 0;
  if (op == "add_scalar") return TrainUnaryOp{TrainUnary::affine, 1, other};
  if (op == "sub_scalar") return TrainUnaryOp{TrainUnary::affine, reversed ? -1.0 : 1.0, reversed ? other : -other};
  if (op == "mul_scalar") return TrainUnaryOp{TrainUnary::affine, other};
  if (reversed) refuse(node, "divides a number by a tensor, which has no gradient in the core");
  return TrainUnaryOp{TrainUnary::affine, 1 / other};
}

}  // namespace chop::trainer
