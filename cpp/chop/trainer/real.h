// The kernels of a floating-point type.
#pragma once

#include "chop/kernels/grid.h"
#include "chop/kernels/kernels.h"

namespace chop::trainer {

template <class T>
struct Real;
template <>
struct Real<float> {
  using Grid = GridF32;
  static const TrainKernels<float>& kernels() { return chop::kernels().train_f32; }
  static auto fake_quantize() { return chop::kernels().fake_quantize_f32; }
  static auto fake_quantize_each() { return chop::kernels().fake_quantize_each_f32; }
};
template <>
struct Real<double> {
  using Grid = GridF64;
  static const TrainKernels<double>& kernels() { return chop::kernels().train_f64; }
  static auto fake_quantize() { return chop::kernels().fake_quantize_f64; }
  static auto fake_quantize_each() { return chop::kernels().fake_quantize_each_f64; }
};

}  // namespace chop::trainer
