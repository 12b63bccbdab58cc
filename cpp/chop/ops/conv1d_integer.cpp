// torch.ops.chop.conv1d_integer: quantize input, weight and bias, then convolve, in one call.
#include <torch/csrc/stable/library.h>

#include <tuple>

#include "chop/ops/quantized_tensor.h"

namespace chop::ops {
namespace {

// Larger windows and channel counts are left to torch.
constexpr int64_t kLargestWindow = 128;  // channels of a group times kernel size
constexpr int64_t kLargestChannels = 128;
constexpr int64_t kLargestColumns =
    1 << 18;  // values of the gathered windows of a sample: they should stay in the cache
constexpr int64_t kLargestNumber = (int64_t{1} << 31) - 1;  // so that no shape overflows
constexpr int64_t kGrainWork = 1 << 18;  // multiplications; below that a thread costs more than it brings

struct Convolution {
  int64_t batch, in_channels, length, out_channels, kernel;
  int64_t stride, padding, dilation, groups;
  int64_t out_length() const { return (length + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1; }
  int64_t group_inputs() const { return in_channels / groups; }
  int64_t group_outputs() const { return out_channels / groups; }
  int64_t window() const { return group_inputs() * kernel; }
};

Convolution checked(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias, int64_t stride,
                    int64_t padding, int64_t dilation, int64_t groups) {
  check_dtypes("conv1d_integer", x, weight, bias);
  check(weight.dim() == 3 && x.dim() == 3,
        "conv1d_integer: weight must be [out, in / groups, kernel] and x [batch, in, length]");
  for (const auto& [name, number, least] :
       {std::tuple{"stride", stride, 1}, {"padding", padding, 0}, {"dilation", dilation, 1}, {"groups", groups, 1}})
    check(number >= least && number <= kLargestNumber, "conv1d_integer: ", name, " must be ", least, "..",
          kLargestNumber, ", got ", number);
  const Convolution c{x.size(0), x.size(1), x.size(2), weight.size(0), weight.size(2),
                      stride,    padding,   dilation,  groups};
  check(c.in_channels % groups == 0 && c.out_channels % groups == 0,
        "conv1d_integer: channels must be multiples of groups = ", groups);
  check(weight.size(1) == c.group_inputs(), "conv1d_integer: x has ", c.in_channels, " channels, the weight takes ",
        weight.size(1) * groups);
  check(c.length + 2 * padding >= dilation * (c.kernel - 1) + 1 && c.kernel >= 1,
        "conv1d_integer: the kernel is longer than the padded input of ", c.length + 2 * padding);
  check(!bias || (bias->dim() == 1 && bias->size(0) == c.out_channels), "conv1d_integer: bias must be [",
        c.out_channels, "]");
  return c;
}

Tensor torch_conv1d(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias, const Convolution& c) {
  const std::vector<int64_t> stride{c.stride}, padding{c.padding}, dilation{c.dilation};
  using torch::stable::detail::from;
  std::array<StableIValue, 7> stack{from(x),       from(weight),   from(bias),    from(stride),
                                    from(padding), from(dilation), from(c.groups)};
  STABLE_TORCH_ERROR_CODE_CHECK(torch_call_dispatcher("aten::conv1d", "", stack.data(), TORCH_ABI_VERSION));
  return torch::stable::detail::to<Tensor>(stack[0]);
}

// columns[window][out length]: row (channel, tap) holds the input that this tap meets at each output position. What
// lies in the padding stays zero from the start, as the places are the same for every sample.
void gather(const float* x, const Convolution& c, float* columns, int64_t ldb) {
  for (int64_t channel = 0; channel < c.group_inputs(); ++channel)
    for (int64_t tap = 0; tap < c.kernel; ++tap) {
      const float* from = x + channel * c.length;
      float* to = columns + (channel * c.kernel + tap) * ldb;
      const int64_t shift = tap * c.dilation - c.padding;  // output position p reads p * stride + shift
      const int64_t first = shift >= 0 ? 0 : (-shift + c.stride - 1) / c.stride;
      const int64_t limit = c.length - shift;  // p * stride < limit
      const int64_t last = limit <= 0 ? 0 : (limit + c.stride - 1) / c.stride;
      const int64_t end = last < c.out_length() ? last : c.out_length();
      for (int64_t p = first; p < end; ++p) to[p] = from[p * c.stride + shift];
    }
}

Tensor small_conv1d(const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias,
                    const LayerFormats& formats, const Convolution& c) {
  const Tensor x = torch::stable::contiguous(input);
  const int64_t length = c.out_length(), ldb = rounded_up(length, kPanel);
  Tensor y = torch::stable::new_empty(x, std::vector<int64_t>{c.batch, c.out_channels, length});
  const std::vector<float> filters = quantized_values(weight, formats.weight);
  const std::vector<float> start = bias ? quantized_values(*bias, formats.bias) : std::vector<float>();
  const GridF32 grid = grid_of<GridF32>(formats.data_in);
  const float* from = x.const_data_ptr<float>();
  float* to = y.mutable_data_ptr<float>();
  const KernelTable& table = kernels();
  const int64_t sample_size = c.in_channels * c.length;
  const int64_t work = c.out_channels * c.window() * length;
  torch::stable::parallel_for(0, c.batch, kGrainWork / (work + 1) + 1, [&](int64_t begin, int64_t end) {
    std::vector<float> quantized(static_cast<size_t>(sample_size));
    std::vector<float> columns(static_cast<size_t>(c.window() * ldb), 0.0f);
    for (int64_t sample = begin; sample < end; ++sample) {
      table.fake_quantize_f32(from + sample * sample_size, quantized.data(), sample_size, grid);
      for (int64_t group = 0; group < c.groups; ++group) {
        const int64_t first = group * c.group_outputs();
        gather(quantized.data() + group * c.group_inputs() * c.length, c, columns.data(), ldb);
        table.matrix_product({.a = filters.data() + first * c.window(),
                              .lda = c.window(),
                              .b = columns.data(),
                              .ldb = ldb,
                              .row_bias = bias ? start.data() + first : nullptr,
                              .column_bias = nullptr,
                              .c = to + (sample * c.out_channels + first) * length,
                              .ldc = length,
                              .m = static_cast<int>(c.group_outputs()),
                              .n = static_cast<int>(length),
                              .k = static_cast<int>(c.window())});
      }
    }
  });
  return y;
}

Tensor conv1d_integer(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias, int64_t stride,
                      int64_t padding, int64_t dilation, int64_t groups, int64_t data_in_width,
                      int64_t data_in_frac_width, int64_t weight_width, int64_t weight_frac_width, int64_t bias_width,
                      int64_t bias_frac_width, int64_t data_in_rounding, int64_t data_in_overflow,
                      int64_t weight_rounding, int64_t weight_overflow, int64_t bias_rounding, int64_t bias_overflow) {
  const LayerFormats formats = layer_formats({data_in_width, data_in_frac_width, weight_width, weight_frac_width,
                                              bias_width, bias_frac_width, data_in_rounding, data_in_overflow,
                                              weight_rounding, weight_overflow, bias_rounding, bias_overflow});
  const Convolution c = checked(x, weight, bias, stride, padding, dilation, groups);
  const bool empty = x.numel() == 0 || weight.numel() == 0;
  const bool small = c.window() <= kLargestWindow && c.group_outputs() <= kLargestChannels &&
                     c.window() * rounded_up(c.out_length(), kPanel) <= kLargestColumns;
  if (x.scalar_type() == ScalarType::Float && small && !empty) return small_conv1d(x, weight, bias, formats, c);
  return torch_conv1d(fake_quantized(x, formats.data_in), fake_quantized(weight, formats.weight),
                      fake_quantized(bias, formats.bias), c);
}

}  // namespace
}  // namespace chop::ops

STABLE_TORCH_LIBRARY_FRAGMENT(chop, m) {
  const std::string operands =
      "conv1d_integer(Tensor x, Tensor weight, Tensor? bias, int stride, int padding, int dilation, int groups, ";
  m.def((operands + chop::ops::kLayerSchema).c_str());
}

STABLE_TORCH_LIBRARY_IMPL(chop, CPU, m) { m.impl("conv1d_integer", TORCH_BOX(&chop::ops::conv1d_integer)); }
