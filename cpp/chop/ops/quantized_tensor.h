// What the fused operators share: checked operands and their values on a fixed-point grid.
#pragma once

#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "chop/core/check.h"
#include "chop/kernels/grid.h"

namespace chop::ops {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

// The formats of a layer's operands, all signed.
struct LayerFormats {
  FixedPoint data_in, weight, bias;
};

// The numbers that end the argument lists of the fused operators, in their order.
struct LayerNumbers {
  int64_t data_in_width, data_in_frac_width, weight_width, weight_frac_width, bias_width, bias_frac_width;
  int64_t data_in_rounding, data_in_overflow, weight_rounding, weight_overflow, bias_rounding, bias_overflow;
};

inline constexpr const char* kLayerSchema =
    "int data_in_width, int data_in_frac_width, int weight_width, int weight_frac_width, int bias_width, "
    "int bias_frac_width, int data_in_rounding=0, int data_in_overflow=0, int weight_rounding=0, "
    "int weight_overflow=0, int bias_rounding=0, int bias_overflow=0) -> Tensor";

inline LayerFormats layer_formats(const LayerNumbers& n) {
  const auto format = [](int64_t width, int64_t frac_width, int64_t rounding, int64_t overflow) {
    return make_fixed_point(width, frac_width, true, rounding_mode(rounding), overflow_mode(overflow));
  };
  return {format(n.data_in_width, n.data_in_frac_width, n.data_in_rounding, n.data_in_overflow),
          format(n.weight_width, n.weight_frac_width, n.weight_rounding, n.weight_overflow),
          format(n.bias_width, n.bias_frac_width, n.bias_rounding, n.bias_overflow)};
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
