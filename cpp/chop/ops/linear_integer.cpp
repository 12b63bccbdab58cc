// torch.ops.chop.linear_integer: quantize input, weight and bias, then multiply, in one call.
#include <torch/csrc/stable/library.h>

#include "chop/ops/quantized_tensor.h"

namespace chop::ops {
namespace {

// Above these sizes torch's matrix product, with packed operands and all caches in mind, is the faster one. Narrow
// vectors lose to it sooner.
constexpr int64_t kLargestSide = 128;
constexpr int64_t kLargestBaselineWeight = 512;
constexpr int64_t kBlockRows = 64;
constexpr int64_t kGrainWork = 1 << 18;  // multiplications; below that a thread costs more than it brings

Tensor torch_linear(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias) {
  std::array<StableIValue, 3> stack{torch::stable::detail::from(x), torch::stable::detail::from(weight),
                                    torch::stable::detail::from(bias)};
  STABLE_TORCH_ERROR_CODE_CHECK(torch_call_dispatcher("aten::linear", "", stack.data(), TORCH_ABI_VERSION));
  return torch::stable::detail::to<Tensor>(stack[0]);
}

// weight[out][in] on its grid as [in][out rounded up]: the kernel's vectors run along the outputs.
std::vector<float> packed_weight(const Tensor& weight, const FixedPoint& format, int64_t out, int64_t in, int64_t ldb) {
  const std::vector<float> quantized = quantized_values(weight, format);
  std::vector<float> packed(static_cast<size_t>(in * ldb), 0.0f);
  for (int64_t o = 0; o < out; ++o)
    for (int64_t i = 0; i < in; ++i) packed[i * ldb + o] = quantized[o * in + i];
  return packed;
}

Tensor small_linear(const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias,
                    const LayerFormats& formats, int64_t rows, int64_t in, int64_t out) {
  const Tensor x = torch::stable::contiguous(input);
  std::vector<int64_t> shape(x.sizes().begin(), x.sizes().end());
  shape.back() = out;
  Tensor y = torch::stable::new_empty(x, shape);
  const int64_t ldb = rounded_up(out, kPanel);
  const std::vector<float> packed = packed_weight(weight, formats.weight, out, in, ldb);
  const std::vector<float> start = bias ? quantized_values(*bias, formats.bias, ldb) : std::vector<float>();
  const GridF32 grid = grid_of<GridF32>(formats.data_in);
  const float* from = x.const_data_ptr<float>();
  float* to = y.mutable_data_ptr<float>();
  const KernelTable& table = kernels();
  torch::stable::parallel_for(0, rows, kGrainWork / (in * out + 1) + 1, [&](int64_t begin, int64_t end) {
    std::vector<float> quantized(static_cast<size_t>(kBlockRows * in));
    for (int64_t row = begin; row < end; row += kBlockRows) {
      const int64_t count = end - row < kBlockRows ? end - row : kBlockRows;
      table.fake_quantize_f32(from + row * in, quantized.data(), count * in, grid);
      table.matrix_product({.a = quantized.data(),
                            .lda = in,
                            .b = packed.data(),
                            .ldb = ldb,
                            .row_bias = nullptr,
                            .column_bias = bias ? start.data() : nullptr,
                            .c = to + row * out,
                            .ldc = out,
                            .m = static_cast<int>(count),
                            .n = static_cast<int>(out),
                            .k = static_cast<int>(in)});
    }
  });
  return y;
}

bool is_small(int64_t in, int64_t out) {
  if (active_isa() == Isa::baseline && in * out > kLargestBaselineWeight) return false;
  return in <= kLargestSide && out <= kLargestSide;
}

Tensor linear_integer(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias, int64_t data_in_width,
                      int64_t data_in_frac_width, int64_t weight_width, int64_t weight_frac_width, int64_t bias_width,
                      int64_t bias_frac_width, int64_t data_in_rounding, int64_t data_in_overflow,
                      int64_t weight_rounding, int64_t weight_overflow, int64_t bias_rounding, int64_t bias_overflow) {
  const LayerFormats formats = layer_formats({data_in_width, data_in_frac_width, weight_width, weight_frac_width,
                                              bias_width, bias_frac_width, data_in_rounding, data_in_overflow,
                                              weight_rounding, weight_overflow, bias_rounding, bias_overflow});
  check_dtypes("linear_integer", x, weight, bias);
  check(weight.dim() == 2 && x.dim() >= 1, "linear_integer: weight must be [out, in] and x [..., in]");
  const int64_t out = weight.size(0), in = weight.size(1);
  check(x.size(x.dim() - 1) == in, "linear_integer: x has ", x.size(x.dim() - 1), " features, the weight takes ", in);
  check(!bias || (bias->dim() == 1 && bias->size(0) == out), "linear_integer: bias must be [", out, "]");
  const int64_t rows = in > 0 ? x.numel() / in : 0;
  if (x.scalar_type() == ScalarType::Float && rows > 0 && is_small(in, out))
    return small_linear(x, weight, bias, formats, rows, in, out);
  return torch_linear(fake_quantized(x, formats.data_in), fake_quantized(weight, formats.weight),
                      fake_quantized(bias, formats.bias));
}

}  // namespace
}  // namespace chop::ops

STABLE_TORCH_LIBRARY_FRAGMENT(chop, m) {
  const std::string operands = "linear_integer(Tensor x, Tensor weight, Tensor? bias, ";
  m.def((operands + chop::ops::kLayerSchema).c_str());
}

STABLE_TORCH_LIBRARY_IMPL(chop, CPU, m) { m.impl("linear_integer", TORCH_BOX(&chop::ops::linear_integer)); }
