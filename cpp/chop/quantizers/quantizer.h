// What a native quantizer must offer the evaluator: codes on a grid for weights, and the grid itself for activations.
#pragma once

#include <string>

#include "chop/core/fixed_point.h"
#include "chop/core/registry.h"
#include "chop/kernels/kernels.h"

namespace chop::quantizers {

struct Quantizer {
  GridF32 (*grid)(const FixedPoint& format);
  // y[i] = code of x[i], an integer in float; NaN stays NaN, and so do infinities that wrap.
  void (*codes)(const float* x, float* y, int64_t n, const FixedPoint& format);
  // The value on the grid that stands for a number of the model's source.
  double (*number)(double x, const FixedPoint& format);
  // y[i] = the value on the i-th grid for x[i]; null: a quantizer without formats for single elements.
  void (*values_each)(const float* x, float* y, int64_t n, const GridEach<float>& grids) = nullptr;
};

Registry<Quantizer>& registry();

}  // namespace chop::quantizers
