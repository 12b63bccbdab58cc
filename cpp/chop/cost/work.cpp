#include "chop/cost/work.h"

#include <map>
#include <set>

#include "chop/core/check.h"

namespace chop::cost {
namespace {

using Count = double (*)(const Operation& o);

double none(const Operation&) { return 0; }
double per_output(const Operation& o) { return o.output_elements; }
double per_input(const Operation& o) { return o.input_elements; }
double products(const Operation& o) { return o.macs; }
double affine(const Operation& o) { return 4 * o.output_elements; }   // subtract mean, scale, times gamma, plus beta
double layered(const Operation& o) { return 5 * o.output_elements; }  // as affine, and the statistics
double windows(const Operation& o) {
  double count = o.output_elements;
  for (const int64_t size : o.node->list("kernel_size")) count *= static_cast<double>(size);
  return count;
}

// One row an operation. batch_norm, layer_norm, relu, pools and linear as MASE counts them.
const std::map<std::string, Count>& counts() {
  static const std::map<std::string, Count> table = {
      {"input", none},
      {"identity", none},
      {"embedding", none},
      {"flatten", none},
      {"view", none},
      {"permute", none},
      {"transpose", none},
      {"unsqueeze", none},
      {"squeeze", none},
      {"slice", none},
      {"pad", none},
      {"upsample_nearest", none},
      {"cat", none},
      {"stack", none},
      {"linear", products},
      {"conv1d", products},
      {"conv2d", products},
      {"matmul", products},
      {"bmm", products},
      {"batch_norm1d", affine},
      {"batch_norm2d", affine},
      {"layer_norm", layered},
      {"group_norm", layered},
      {"relu", per_output},
      {"relu6", per_output},
      {"leaky_relu", per_output},
      {"hardswish", per_output},
      {"hardsigmoid", per_output},
      {"hardtanh", per_output},
      {"sigmoid", per_output},
      {"tanh", per_output},
      {"gelu", per_output},
      {"gelu_tanh", per_output},
      {"silu", per_output},
      {"mish", per_output},
      {"softsign", per_output},
      {"logsigmoid", per_output},
      {"softplus", per_output},
      {"elu", per_output},
      {"prelu", per_output},
      {"clamp", per_output},
      {"clamp_min", per_output},
      {"clamp_max", per_output},
      {"abs", per_output},
      {"exp", per_output},
      {"log", per_output},
      {"sqrt", per_output},
      {"rsqrt", per_output},
      {"pow_scalar", per_output},
      {"neg", per_output},
      {"softmax", layered},
      {"log_softmax", layered},  // maximum, subtract, exponential, sum, divide
      {"avg_pool1d", windows},
      {"avg_pool2d", windows},
      {"max_pool1d", windows},
      {"max_pool2d", windows},
      {"adaptive_avg_pool1d", per_input},
      {"adaptive_avg_pool2d", per_input},
      {"adaptive_max_pool1d", per_input},
      {"adaptive_max_pool2d", per_input},
      {"mean", per_input},
      {"sum", per_input},
      {"add", per_output},
      {"sub", per_output},
      {"mul", per_output},
      {"div", per_output},
      {"minimum", per_output},
      {"maximum", per_output},
      {"add_scalar", per_output},
      {"sub_scalar", per_output},
      {"mul_scalar", per_output},
      {"div_scalar", per_output},
  };
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
