// What each *.simd.cpp exports, once for each instruction set, in a namespace of its own.
//
// Those files use no standard-library templates: the linker could otherwise pick one compiled with AVX-512 for
// everybody.
#pragma once

#include "chop/kernels/kernels.h"
#include "chop/kernels/product.h"

namespace chop {

struct FakeQuantizeKernels {
  void (*f32)(const float*, float*, int64_t, const GridF32&);
  void (*f64)(const double*, double*, int64_t, const GridF64&);
  void (*each_f32)(const float*, float*, int64_t, const GridEach<float>&);
  void (*each_f64)(const double*, double*, int64_t, const GridEach<double>&);
};
using MatrixProductKernel = void (*)(const MatrixProduct&);
using ElementwiseKernel = void (*)(const Elementwise&, const float*, float*, int);
using EncodeKernel = void (*)(const Encode&);
using ProductKernel = void (*)(const Product&);
struct IntegerProducts {
  ProductKernel u8x4, s16x2, whole;
};
struct GatherKernels {
  void (*gather)(const Gather&);
  void (*sum_wide)(const float*, int64_t, int, int, float*);
};
using DepthwiseKernel = void (*)(const Depthwise&);
struct ExactProducts {
  ProductKernel exact, wide;
};

struct FinishKernels;  // finish.h
struct ClassifyKernels {
  void (*rows)(const float*, int, const uint16_t*, int, bool, BlockScore*);
  double (*counts)(const float*, int, const uint16_t*, int, bool, int64_t*, int64_t*);
};
using SquaredErrorsKernel = void (*)(const float*, int64_t, int64_t, const GridF32*, int, double*);
struct WindowKernels {
  int64_t (*f32)(const float*, int64_t, float, float, WindowCounts*, float*);
  int64_t (*f64)(const double*, int64_t, double, double, WindowCounts*, double*);
};

#define CHOP_DECLARE_TRAIN(T, suffix)                                 \
  extern const TrainLinearKernels<T> train_linear_##suffix;           \
  extern const TrainNormKernels<T> train_norm_##suffix;               \
  extern const TrainLossKernel<T> train_loss_##suffix;                \
  extern const TrainElementwiseKernels<T> train_elementwise_##suffix; \
  extern const TrainUpdateKernels<T> train_update_##suffix;           \
  extern const TrainNarrowKernels<T> train_narrow_##suffix;           \
  extern const LearnedKernels<T> train_learned_##suffix;              \
  extern const TrainWindowKernels<T> train_windows_##suffix;          \
  extern const TrainRowNormKernels<T> train_row_norms_##suffix;       \
  extern const TrainSparseKernels<T> train_sparse_##suffix;

#define CHOP_DECLARE_TABLES(ns)                    \
  namespace ns {                                   \
  extern const FakeQuantizeKernels fake_quantize;  \
  extern const MatrixProductKernel matrix_product; \
  extern const ElementwiseKernel elementwise;      \
  extern const EncodeKernel encode;                \
  extern const FinishKernels finishes;             \
  extern const IntegerProducts integer_products;   \
  extern const ExactProducts exact_products;       \
  extern const ProductKernel ordered_product;      \
  extern const ClassifyKernels classify;           \
  extern const OutputKernels outputs;              \
  extern const MomentKernels<float> moments_f32;   \
  extern const MomentKernels<double> moments_f64;  \
  extern const WindowKernels windows;              \
  extern const SquaredErrorsKernel squared_errors; \
  extern const ActivationKernel activation;        \
  extern const RowKernels row_kernels;             \
  extern const GatherKernels gathers;              \
  extern const DepthwiseKernel depthwise_kernel;   \
  CHOP_DECLARE_TRAIN(float, f32)                   \
  CHOP_DECLARE_TRAIN(double, f64)                  \
  }
CHOP_DECLARE_TABLES(baseline)
#ifdef CHOP_HAS_avx2
CHOP_DECLARE_TABLES(avx2)
CHOP_DECLARE_TABLES(avx512)
#endif
#ifdef CHOP_HAS_amx
namespace amx {
extern const ProductKernel u8x4_product;
}
#endif
#undef CHOP_DECLARE_TABLES
#undef CHOP_DECLARE_TRAIN

}  // namespace chop
