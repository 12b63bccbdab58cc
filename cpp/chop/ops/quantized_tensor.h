// What the fused operators share: checked operands and their values on a fixed-point grid.
#pragma once

#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "chop/core/check.h"
#include "chop/core/fixed_point.h"
#include "chop/kernels/kernels.h"

namespace chop::ops {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

template <class Grid>
Grid grid_of(const FixedPoint& f) {
  using T = decltype(Grid::step);
  return {static_cast<T>(f.inverse_scale()), static_cast<T>(f.scale()), static_cast<T>(f.qmin()),
          static_cast<T>(f.qmax())};
}

// The formats of a layer's operands, all signed.
struct LayerFormats {
  FixedPoint data_in, weight, bias;
};

inline LayerFormats layer_formats(int64_t data_in_width, int64_t data_in_frac_width, int64_t weight_width,
                                  int64_t weight_frac_width, int64_t bias_width, int64_t bias_frac_width) {
  return {make_fixed_point(data_in_width, data_in_frac_width, true),
          make_fixed_point(weight_width, weight_frac_width, true), make_fixed_point(bias_width, bias_frac_width, true)};
}

inline bool has_dtype(const Tensor& t, ScalarType type) { return t.scalar_type() == type && t.is_cpu(); }

// Throws unless all operands are float32, or all float64, in the CPU's memory.
inline void check_dtypes(const char* op, const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias) {
  const ScalarType type = x.scalar_type();
  check(type == ScalarType::Float || type == ScalarType::Double, op, ": x must be float32 or float64");
  check(has_dtype(weight, type) && (!bias || has_dtype(*bias, type)), op,
        ": x, weight and bias must be on the CPU and of one dtype");
}

// The whole tensor on the grid, contiguous.
inline Tensor fake_quantized(const Tensor& input, const FixedPoint& format) {
  const Tensor x = torch::stable::contiguous(input);
  Tensor y = torch::stable::new_empty(x, x.sizes());
  if (x.scalar_type() == ScalarType::Float) {
    kernels().fake_quantize_f32(x.const_data_ptr<float>(), y.mutable_data_ptr<float>(), x.numel(),
                                grid_of<GridF32>(format));
  } else {
    kernels().fake_quantize_f64(x.const_data_ptr<double>(), y.mutable_data_ptr<double>(), x.numel(),
                                grid_of<GridF64>(format));
  }
  return y;
}

inline std::optional<Tensor> fake_quantized(const std::optional<Tensor>& input, const FixedPoint& format) {
  return input ? std::optional<Tensor>(fake_quantized(*input, format)) : std::nullopt;
}

// `count` values on the grid in memory of our own, with zeros up to `room` values.
inline std::vector<float> quantized_values(const Tensor& input, const FixedPoint& format, int64_t room = 0) {
  const Tensor x = torch::stable::contiguous(input);
  const int64_t count = x.numel();
  std::vector<float> values(static_cast<size_t>(count < room ? room : count), 0.0f);
  kernels().fake_quantize_f32(x.const_data_ptr<float>(), values.data(), count, grid_of<GridF32>(format));
  return values;
}

inline int64_t rounded_up(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

}  // namespace chop::ops
