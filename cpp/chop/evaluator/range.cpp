#include "chop/evaluator/range.h"

#include <cmath>
#include <limits>
#include <set>
#include <string>

namespace chop::evaluator {
namespace {

bool among(const std::set<std::string>& names, const ir::Node& node) { return names.count(node.op->name) > 0; }

const std::set<std::string> kUnits{"sigmoid", "softmax", "hardsigmoid"};  // results in 0..1
const std::set<std::string> kKeepsSign{
    "flatten",    "view",       "permute",    "transpose",           "unsqueeze",           "squeeze",
    "avg_pool1d", "avg_pool2d", "max_pool1d", "max_pool2d",          "adaptive_avg_pool1d", "adaptive_avg_pool2d",
    "mean",       "cat",        "stack",      "adaptive_max_pool1d", "adaptive_max_pool2d"};
const std::set<std::string> kDivides{"avg_pool1d", "avg_pool2d"};
const std::set<std::string> kParts{"slice", "upsample_nearest"};
const std::set<std::string> kShrinks{"gelu_tanh", "mish",      "softsign",   "tanh", "gelu",
                                     "silu",      "hardswish", "leaky_relu", "neg"};

}  // namespace

Range rounded(const Range& input, const FixedPoint& format) {
  Range range = input;
  if (range.finite()) range.limit = std::fmin(range.limit + format.scale(), format.largest_code() * format.scale());
  range.nonnegative = !format.is_signed || (range.nonnegative && format.overflow == OverflowMode::saturate);
  return range;
}

Range range_after(const ir::Node& node, const std::vector<Range>& inputs) {
  const double nothing = std::numeric_limits<double>::infinity();
  double most = 0.0, sum = 0.0;
  bool nonnegative = true;
  for (const Range& input : inputs) {
    if (!input.finite()) return {nothing, false};
    most = larger(most, input.limit);
    sum += input.limit;
    nonnegative = nonnegative && input.nonnegative;
  }
  if (among(kUnits, node)) return {1.0, true};
  if (node.op->name == "relu6") return {6.0, true};
  if (among(kDivides, node) && node.attribute("divisor_override") != 0.0) return {nothing, false};
  if (among(kKeepsSign, node)) return {most, nonnegative};
  if (among(kParts, node)) return {most, nonnegative};
  if (node.op->name == "pad") return {larger(most, std::fabs(node.attribute("value"))), false};
  if (node.op->name == "hardtanh" || node.op->name == "clamp") {
    const char* low = node.op->name == "clamp" ? "min" : "min_val";
    const char* high = node.op->name == "clamp" ? "max" : "max_val";
    return {larger(std::fabs(node.attribute(low)), std::fabs(node.attribute(high))), false};
  }
  if (node.op->name == "leaky_relu") return {most * larger(1.0, std::fabs(node.attribute("negative_slope"))), false};
  if (among(kShrinks, node)) return {most, false};
  if (node.op->name == "add") return {sum, nonnegative};
  if (node.op->name == "sub") return {sum, false};
  if (node.op->name == "mul") return {inputs[0].limit * inputs[1].limit, nonnegative};
  if (node.op->name == "add_scalar" || node.op->name == "sub_scalar")
    return {most + std::fabs(node.attribute("other")), false};
  if (node.op->name == "mul_scalar") return {most * std::fabs(node.attribute("other")), false};
  return {nothing, false};
}

}  // namespace chop::evaluator
