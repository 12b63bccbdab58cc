// torch.ops.chop.integer_quantize on LibTorch's stable ABI: one build serves every torch from 2.11 on.
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include "chop/kernels/grid.h"

namespace chop {
namespace {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

constexpr int64_t kGrain = 1 << 15;  // below this a thread costs more than it brings

template <class T, class Grid, class Kernel>
void quantize(const Tensor& x, Tensor& y, const FixedPoint& format, Kernel kernel) {
  const Grid grid = grid_of<Grid>(format);
  const T* from = x.const_data_ptr<T>();
  T* to = y.mutable_data_ptr<T>();
  torch::stable::parallel_for(0, x.numel(), kGrain,
                              [&](int64_t begin, int64_t end) { kernel(from + begin, to + begin, end - begin, grid); });
}

Tensor integer_quantize(const Tensor& input, int64_t width, int64_t frac_width, bool is_signed, int64_t rounding,
                        int64_t overflow) {
  const FixedPoint format =
      make_fixed_point(width, frac_width, is_signed, rounding_mode(rounding), overflow_mode(overflow));
  const ScalarType type = input.scalar_type();
  check(type == ScalarType::Float || type == ScalarType::Double, "integer_quantize: x must be float32 or float64");
  const Tensor x = torch::stable::contiguous(input);
  Tensor y = torch::stable::new_empty(x, x.sizes());
  if (type == ScalarType::Float) {
    quantize<float, GridF32>(x, y, format, kernels().fake_quantize_f32);
  } else {
    quantize<double, GridF64>(x, y, format, kernels().fake_quantize_f64);
  }
  return y;
}

}  // namespace
}  // namespace chop

STABLE_TORCH_LIBRARY(chop, m) {
  // The modes are numbers because strings that pass the stable ABI leak (torch 2.13, ToImpl<std::string>).
  m.def(
      "integer_quantize(Tensor x, int width, int frac_width, bool is_signed, int rounding=0, int overflow=0) -> "
      "Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(chop, CPU, m) { m.impl("integer_quantize", TORCH_BOX(&chop::integer_quantize)); }
