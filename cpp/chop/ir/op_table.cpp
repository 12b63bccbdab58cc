#include "chop/ir/op_table.h"

#include "chop/core/check.h"
#include "chop/ir/graph.h"
#include "chop/ir/shape_rules.h"

namespace chop::ir {
namespace {

using Names = std::vector<std::string>;

constexpr int kAny = 1 << 20;  // as many inputs as the caller likes

const Names kWeighted{"data_in", "weight", "bias"};
const Names kPoolLists{"kernel_size", "stride", "padding", "dilation"};

Op layer(const char* name, Names required, Names optional, Names attributes, Names lists, Names operands,
         decltype(Op::shape) shape) {
  return {
      name, 1, std::move(required), std::move(optional), std::move(attributes), std::move(lists), std::move(operands),
      shape};
}

Op elementwise(const char* name, Names attributes = {}, Names operands = {}) {
  return layer(name, {}, {}, std::move(attributes), {}, std::move(operands), same_shape);
}

Op pool(const char* name, decltype(Op::shape) shape, Names attributes = {"ceil_mode"}) {
  return layer(name, {}, {}, std::move(attributes), kPoolLists, {}, shape);
}

Op adaptive(const char* name, decltype(Op::shape) shape) { return layer(name, {}, {}, {}, {"output_size"}, {}, shape); }

Op view(const char* name, Names attributes, Names lists, decltype(Op::shape) shape) {
  return layer(name, {}, {}, std::move(attributes), std::move(lists), {}, shape);
}

Op binary(const char* name, Names operands, decltype(Op::shape) shape = broadcast_shape) {
  return {name, 2, {}, {}, {}, {}, std::move(operands), shape};
}

// With a number on the other side; reversed: the number comes first. Of a quantized operation it is quantized, too,
// unless it is whole, which is to say an integer of the model's source.
Op quantized_scalar(const char* name) { return elementwise(name, {"other", "reversed", "whole"}, {"data_in"}); }

std::vector<Op> layers() {
  return {
      {"input", 0, {}, {}, {}, {}, {}, input_shape},
      layer("linear", {"weight"}, {"bias"}, {}, {}, kWeighted, linear_shape),
      layer("conv1d", {"weight"}, {"bias"}, {"groups"}, {"stride", "padding", "dilation"}, kWeighted, conv1d_shape),
      layer("conv2d", {"weight"}, {"bias"}, {"groups"}, {"stride", "padding", "dilation"}, kWeighted, conv2d_shape),
      layer("batch_norm1d", {"running_mean", "running_var"}, {"weight", "bias"}, {"eps"}, {}, {}, batch_norm1d_shape),
      layer("batch_norm2d", {"running_mean", "running_var"}, {"weight", "bias"}, {"eps"}, {}, {}, batch_norm2d_shape),
      layer("layer_norm", {}, {"weight", "bias"}, {"eps"}, {"normalized_shape"}, {}, layer_norm_shape),
      layer("group_norm", {}, {"weight", "bias"}, {"eps", "num_groups"}, {}, {}, group_norm_shape),
      layer("embedding", {"weight"}, {}, {}, {}, {}, embedding_shape),
  };
}

std::vector<Op> functions() {
  return {
      elementwise("relu", {}, {"data_in"}),
      elementwise("relu6"),
      elementwise("leaky_relu", {"negative_slope"}),
      elementwise("hardswish"),
      elementwise("hardsigmoid"),
      elementwise("hardtanh", {"min_val", "max_val"}),
      elementwise("sigmoid"),
      elementwise("tanh"),
      elementwise("gelu"),
      elementwise("gelu_tanh"),
      elementwise("silu"),
      elementwise("mish"),
      elementwise("softsign"),
      elementwise("logsigmoid"),
      elementwise("softplus", {"beta", "threshold"}),
      elementwise("elu", {"alpha", "scale", "input_scale"}),
      layer("prelu", {"weight"}, {}, {}, {}, {}, prelu_shape),
      elementwise("clamp", {"min", "max"}),
      elementwise("clamp_min", {"min"}),
      elementwise("clamp_max", {"max"}),
      elementwise("abs"),
      elementwise("exp"),
      elementwise("log"),
      elementwise("sqrt"),
      elementwise("rsqrt"),
      elementwise("pow_scalar", {"exponent"}),
      elementwise("neg"),
      elementwise("identity"),
      layer("softmax", {}, {}, {"dim"}, {}, {}, along_dim_shape),
      layer("log_softmax", {}, {}, {"dim"}, {}, {}, along_dim_shape),
  };
}

// Pools, views and reductions.
std::vector<Op> arrangements() {
  return {
      // divisor_override: 0 divides by the window.
      pool("avg_pool1d", pool1d_shape, {"ceil_mode", "count_include_pad", "divisor_override"}),
      pool("avg_pool2d", pool2d_shape, {"ceil_mode", "count_include_pad", "divisor_override"}),
      pool("max_pool1d", pool1d_shape),
      pool("max_pool2d", pool2d_shape),
      adaptive("adaptive_avg_pool1d", adaptive_pool1d_shape),
      adaptive("adaptive_avg_pool2d", adaptive_pool2d_shape),
      adaptive("adaptive_max_pool1d", adaptive_pool1d_shape),
      adaptive("adaptive_max_pool2d", adaptive_pool2d_shape),
      view("flatten", {"start_dim", "end_dim"}, {}, flatten_shape),
      view("view", {}, {"shape"}, view_shape),
      view("permute", {}, {"dims"}, permute_shape),
      view("transpose", {"dim0", "dim1"}, {}, transpose_shape),
      view("unsqueeze", {"dim"}, {}, unsqueeze_shape),
      view("squeeze", {}, {"dims"}, squeeze_shape),
      view("slice", {}, {"start", "step", "size", "shape"}, slice_shape),
      view("pad", {"value"}, {"before", "after"}, pad_shape),
      view("upsample_nearest", {}, {"output_size"}, upsample_shape),
      view("mean", {"keepdim"}, {"dims"}, reduce_shape),
      view("sum", {"keepdim"}, {"dims"}, reduce_shape),
  };
}

// Of several nodes.
std::vector<Op> arithmetic() {
  return {
      binary("add", {"data_in"}),
      binary("sub", {"data_in"}),
      binary("mul", {"data_in"}),
      binary("div", {}),
      binary("minimum", {}),
      binary("maximum", {}),
      binary("matmul", {"data_in", "weight"}, matmul_shape),
      binary("bmm", {"data_in", "weight"}, bmm_shape),
      quantized_scalar("add_scalar"),
      quantized_scalar("sub_scalar"),
      quantized_scalar("mul_scalar"),
      elementwise("div_scalar", {"other", "reversed"}),
      {"cat", {1, kAny}, {}, {}, {"dim"}, {}, {}, cat_shape},
      {"stack", {1, kAny}, {}, {}, {"dim"}, {}, {}, stack_shape},
      {"opaque", {1, kAny}, {}, {}, {}, {"shape"}, {}, opaque_shape},  // known to torch alone
  };
}

std::vector<Op> make_table() {
  std::vector<Op> table;
  for (auto part : {layers, functions, arrangements, arithmetic})
    for (Op& op : part()) table.push_back(std::move(op));
  return table;
}

}  // namespace

const std::vector<Op>& op_table() {
  // Not destroyed: a daemon thread may read it while the process ends.
  static const auto& table = *new std::vector<Op>(make_table());
  return table;
}

const Op& find_op(const std::string& name) {
  std::string known;
  for (const Op& op : op_table()) {
    if (op.name == name) return op;
    known += (known.empty() ? "" : ", ") + op.name;
  }
  fail("operation '", name, "' is not known; known: ", known);
}

std::string shape_text(const Shape& shape) {
  std::string text;
  for (const int64_t size : shape) {
    if (!text.empty()) text += 'x';
    text += size == kBatch ? "?" : std::to_string(size);
  }
  return text.empty() ? "scalar" : text;
}

}  // namespace chop::ir
