// torch.ops.chop.integer_quantize_elements: as integer_quantize, with a width and a fraction width for each element.
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <algorithm>

#include "chop/kernels/grid.h"

namespace chop {
namespace {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

constexpr int64_t kGrain = 1 << 15;  // numbers; below this a thread costs more than it brings
constexpr int64_t kShortRun = 16;    // numbers of one format in a row, below which they are not worth a call

// How formats lie over a contiguous tensor: number (i, j, k) of [outer][count][inner] has the format j.
struct Layout {
  int64_t outer = 1, count = 1, inner = 1;
};

// Formats that change along neighbouring dimensions only.
Layout layout_of(const Tensor& x, const Tensor& widths) {
  Layout layout;
  bool begun = false, ended = false;
  for (int64_t d = 0; d < x.dim(); ++d) {
    const int64_t size = x.size(d), given = widths.size(d);
    check(given == size || given == 1, "integer_quantize_elements: dimension ", d, " of the widths must be 1 or ", size,
          ", got ", given);
    if (given == size && size != 1) {
      check(!ended, "integer_quantize_elements: dimensions along which the formats change must lie side by side");
      begun = true;
      layout.count *= size;
    } else {
      ended = ended || (begun && size != 1);
      (begun ? layout.inner : layout.outer) *= size;
    }
  }
  return layout;
}

ElementFormats formats_of(const Tensor& widths, const Tensor& frac_widths, bool is_signed, RoundingMode rounding,
                          OverflowMode overflow) {
  const auto *width = widths.const_data_ptr<int32_t>(), *frac_width = frac_widths.const_data_ptr<int32_t>();
  ElementFormats formats;
  formats.reserve(static_cast<size_t>(widths.numel()));
  for (int64_t i = 0; i < widths.numel(); ++i)
    formats.push_back(make_element_format(width[i], frac_width[i], is_signed, rounding, overflow));
  return formats;
}

// A run of one format is a row of that format's copies.
ElementFormats repeated(const ElementFormats& formats, int64_t times) {
  ElementFormats all;
  for (const FixedPoint& f : formats) all.insert(all.end(), static_cast<size_t>(times), f);
  return all;
}

template <class T, class Kernel>
void quantize_rows(const T* from, T* to, int64_t rows, const ElementFormats& formats, const Kernel& kernel) {
  const ElementGrids<T> grids(formats);
  const auto count = static_cast<int64_t>(formats.size());
  torch::stable::parallel_for(0, rows * count, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t at = begin; at < end;) {
      const int64_t place = at % count, n = std::min(count - place, end - at);
      kernel(from + at, to + at, n, grids.from(place));
      at += n;
    }
  });
}

template <class T, class Grid, class Kernel>
void quantize_runs(const T* from, T* to, const Layout& layout, const ElementFormats& formats, const Kernel& kernel) {
  const int64_t grain = kGrain / layout.inner + 1;
  torch::stable::parallel_for(0, layout.outer * layout.count, grain, [&](int64_t begin, int64_t end) {
    for (int64_t run = begin; run < end; ++run) {
      const FixedPoint& f = formats[static_cast<size_t>(run % layout.count)];
      T* y = to + run * layout.inner;
      if (f.width == 0) {
        std::fill(y, y + layout.inner, T(0));
      } else {
        kernel(from + run * layout.inner, y, layout.inner, grid_of<Grid>(f));
      }
    }
  });
}

template <class T, class Grid, class Each, class Uniform>
void quantize(const Tensor& x, Tensor& y, const Layout& layout, const ElementFormats& formats, const Each& each,
              const Uniform& uniform) {
  const T* from = x.const_data_ptr<T>();
  T* to = y.mutable_data_ptr<T>();
  if (layout.inner >= kShortRun) {
    quantize_runs<T, Grid>(from, to, layout, formats, uniform);
  } else {
    quantize_rows<T>(from, to, layout.outer, layout.inner == 1 ? formats : repeated(formats, layout.inner), each);
  }
}

Tensor integer_quantize_elements(const Tensor& input, const Tensor& given_widths, const Tensor& given_frac_widths,
                                 bool is_signed, int64_t rounding, int64_t overflow) {
  const ScalarType type = input.scalar_type();
  check(type == ScalarType::Float || type == ScalarType::Double,
        "integer_quantize_elements: x must be float32 or float64");
  check(given_widths.scalar_type() == ScalarType::Int && given_frac_widths.scalar_type() == ScalarType::Int &&
            given_widths.is_cpu() && given_frac_widths.is_cpu(),
        "integer_quantize_elements: widths and frac_widths must be int32 on the CPU");
  const auto shape = given_widths.sizes(), other = given_frac_widths.sizes();
  check(given_widths.dim() == input.dim() && std::equal(shape.begin(), shape.end(), other.begin(), other.end()),
        "integer_quantize_elements: widths and frac_widths must have one shape, with as many dimensions as x");
  const Tensor x = torch::stable::contiguous(input);
  const Tensor widths = torch::stable::contiguous(given_widths);
  const Tensor frac_widths = torch::stable::contiguous(given_frac_widths);
  const Layout layout = layout_of(x, widths);
  const ElementFormats formats =
      formats_of(widths, frac_widths, is_signed, rounding_mode(rounding), overflow_mode(overflow));
  Tensor y = torch::stable::new_empty(x, x.sizes());
  if (x.numel() == 0) return y;
  const KernelTable& k = kernels();
  if (type == ScalarType::Float) {
    quantize<float, GridF32>(x, y, layout, formats, k.fake_quantize_each_f32, k.fake_quantize_f32);
  } else {
    quantize<double, GridF64>(x, y, layout, formats, k.fake_quantize_each_f64, k.fake_quantize_f64);
  }
  return y;
}

}  // namespace
}  // namespace chop

STABLE_TORCH_LIBRARY_FRAGMENT(chop, m) {
  m.def(
      "integer_quantize_elements(Tensor x, Tensor widths, Tensor frac_widths, bool is_signed, int rounding=0, "
      "int overflow=0) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(chop, CPU, m) {
  m.impl("integer_quantize_elements", TORCH_BOX(&chop::integer_quantize_elements));
}
