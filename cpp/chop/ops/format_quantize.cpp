// torch.ops.chop.format_quantize: any of the number formats that are registered in value_formats().
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <algorithm>

#include "chop/core/check.h"
#include "chop/core/large_array.h"
#include "chop/quantizers/value_format.h"

namespace chop {
namespace {

using quantizers::RealType;
using quantizers::ValueFormat;
using torch::headeronly::ScalarType;
using torch::stable::Tensor;

constexpr int64_t kGrain = 1 << 15;  // numbers; below this a thread costs more than it brings

template <class T>
void quantize(const ValueFormat& format, const double* numbers, const RealType& type,
              const quantizers::BlockLayout& layout, bool by_block, const Tensor& x, Tensor* y) {
  const T* from = x.const_data_ptr<T>();
  T* to = y->mutable_data_ptr<T>();
  if (!by_block) {
    torch::stable::parallel_for(0, layout.elements, kGrain, [&](int64_t begin, int64_t end) {
      quantizers::quantize_numbers(format, numbers, type, end - begin, from + begin, to + begin);
    });
  } else {
    const int64_t grain = std::max<int64_t>(1, kGrain * layout.blocks / layout.elements);
    torch::stable::parallel_for(0, layout.blocks, grain, [&](int64_t begin, int64_t end) {
      quantizers::quantize_blocks(format, numbers, type, layout, begin, end, from, to);
    });
  }
}

Tensor format_quantize(const Tensor& input, int64_t number, std::vector<double> numbers,
                       std::vector<int64_t> block_size, int64_t first_dim, int64_t top) {
  const ValueFormat& format = quantizers::value_format(number);
  quantizers::check_numbers(format, numbers.size());
  check(first_dim >= 0 && first_dim <= 3, "format_quantize: first_dim must be 0..3, got ", first_dim);
  const ScalarType scalar = input.scalar_type();
  check(scalar == ScalarType::Float || scalar == ScalarType::Double, "format_quantize: x must be float32 or float64");
  RealType type = scalar == ScalarType::Float ? quantizers::kFloat32 : quantizers::kFloat64;
  if (top < type.top) type.top = static_cast<int>(top);
  const Tensor x = torch::stable::contiguous(input);
  Tensor y = torch::stable::new_empty(x, x.sizes());
  if (x.numel() == 0) return y;
  const size_t bytes = static_cast<size_t>(x.numel()) * (scalar == ScalarType::Float ? 4 : 8);
  advise_large_pages(scalar == ScalarType::Float ? static_cast<void*>(y.mutable_data_ptr<float>())
                                                 : static_cast<void*>(y.mutable_data_ptr<double>()),
                     bytes);
  const auto sizes = x.sizes();
  const quantizers::BlockLayout layout = quantizers::block_layout(
      std::vector<int64_t>(sizes.begin(), sizes.end()), block_size, static_cast<quantizers::FirstDim>(first_dim));
  const bool by_block = format.needs != kNothing && !block_size.empty();
  if (scalar == ScalarType::Float) {
    quantize<float>(format, numbers.data(), type, layout, by_block, x, &y);
  } else {
    quantize<double>(format, numbers.data(), type, layout, by_block, x, &y);
  }
  return y;
}

}  // namespace
}  // namespace chop

STABLE_TORCH_LIBRARY_FRAGMENT(chop, m) {
  // A format is named by a number because strings that pass the stable ABI leak. top: the largest exponent of the type
  // that the values are for.
  m.def(
      "format_quantize(Tensor x, int format, float[] numbers, int[] block_size, int first_dim=0, int top=1023) -> "
      "Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(chop, CPU, m) { m.impl("format_quantize", TORCH_BOX(&chop::format_quantize)); }
