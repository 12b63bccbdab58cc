#include "chop/cost/work.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include "chop/core/check.h"

namespace chop::cost {
namespace {

using Count = double (*)(const Operation& o);

double none(const Operation&) { return 0; }
double per_output(const Operation& o) { return o.output_elements; }
double per_input(const Operation& o) { return o.input_elements; }
double products(const Operation& o) { return o.macs; }
double affine(const Operation& o) { return 4 * o.output_elements; }  // subtract mean, scale, times gamma, plus beta
// As affine, and the statistics; softmax: maximum, subtract, exponential, sum, divide.
double layered(const Operation& o) { return 5 * o.output_elements; }
double windows(const Operation& o) {
  double count = o.output_elements;
  for (const int64_t size : o.node->list("kernel_size")) count *= static_cast<double>(size);
  return count;
}

// batch_norm, layer_norm, relu, pools and linear as MASE counts them.
const std::map<std::string, Count>& counts() {
  static const std::map<Count, std::vector<std::string>> groups = {
      {none,
       {"input", "identity", "embedding", "flatten", "view", "permute", "transpose", "unsqueeze", "squeeze", "slice",
        "pad", "upsample_nearest", "cat", "stack"}},
      {products, {"linear", "conv1d", "conv2d", "matmul", "bmm"}},
      {affine, {"batch_norm1d", "batch_norm2d"}},
      {layered, {"layer_norm", "group_norm", "softmax", "log_softmax"}},
      {windows, {"avg_pool1d", "avg_pool2d", "max_pool1d", "max_pool2d"}},
      {per_input,
       {"adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d", "mean", "sum"}},
      {per_output,
       {"relu",    "relu6",      "leaky_relu", "hardswish",  "hardsigmoid", "hardtanh",   "sigmoid",  "tanh",
        "gelu",    "gelu_tanh",  "silu",       "mish",       "softsign",    "logsigmoid", "softplus", "elu",
        "prelu",   "clamp",      "clamp_min",  "clamp_max",  "abs",         "exp",        "log",      "sqrt",
        "rsqrt",   "pow_scalar", "neg",        "add",        "sub",         "mul",        "div",      "minimum",
        "maximum", "add_scalar", "sub_scalar", "mul_scalar", "div_scalar"}},
  };
  static const std::map<std::string, Count> table = [] {
    std::map<std::string, Count> counts;
    for (const auto& [count, operations] : groups)
      for (const std::string& operation : operations) counts[operation] = count;
    return counts;
  }();
  return table;
}

// Products that one output adds up; 0 for what is no product.
double window_of(const Operation& o) {
  const std::string& op = o.node->op->name;
  if (o.is_matrix_product) return static_cast<double>(o.inputs[0].back());
  if (op != "linear" && op != "conv1d" && op != "conv2d") return 0;
  const ir::Shape& weight = o.node->parameter("weight")->shape;
  return element_count({weight.begin() + 1, weight.end()});
}

bool is_view(const ir::Op& op) {
  static const std::set<std::string> names{"flatten",   "view",    "permute", "transpose",
                                           "unsqueeze", "squeeze", "slice",   "identity"};
  return names.count(op.name) != 0;
}

bool is_matrix_product(const ir::Op& op) { return op.name == "matmul" || op.name == "bmm"; }

}  // namespace

double element_count(const ir::Shape& shape) {
  double count = 1;
  for (const int64_t size : shape) count *= static_cast<double>(size);
  return count;
}

void measure(Operation& o) {
  const auto count = counts().find(o.node->op->name);
  check(count != counts().end(), "cost: node ", o.node->name, " (", o.node->op->name,
        ") is of a kind that the cost models have no rule for");
  o.is_view = is_view(*o.node->op);
  o.is_matrix_product = is_matrix_product(*o.node->op);
  o.input_elements = o.inputs.empty() ? 0 : element_count(o.inputs[0]);
  o.output_elements = o.is_view ? 0 : element_count(o.output);
  o.window = window_of(o);
  o.macs = o.window * o.output_elements;
  o.has_bias = o.node->parameter("bias") != nullptr;
  o.work = count->second(o);
}

}  // namespace chop::cost
