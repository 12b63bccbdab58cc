// Kernels: raw pointers, sizes, numbers. Nothing here knows a tensor, a graph or a thread.
//
// The evaluator's kernels work on blocks: kBlock rows of data, feature-major, so that row f of a block is kBlock
// consecutive floats (feature f of each of the kBlock samples).
#pragma once

#include <cstdint>

#include "chop/core/cpu_isa.h"
#include "chop/kernels/activation.h"
#include "chop/kernels/elementwise.h"
#include "chop/kernels/gather.h"
#include "chop/kernels/product.h"
#include "chop/kernels/rows.h"
#include "chop/kernels/training.h"

namespace chop {

// What one block adds to the metrics.
struct BlockScore {
  int32_t predicted[kBlock];  // index of the largest logit, the first one on ties, the first NaN if there is one
  double loss;                // sum of cross-entropy over the valid rows
};

// What metrics of logits[classes][kBlock] take from one block; rows beyond `valid` count for nothing.
struct SquareSums {
  double error, signal;  // of (logits - reference)^2 and of reference^2
};
struct OutputKernels {
  // Cross-entropy of each valid row.
  void (*row_losses)(const float* logits, int classes, const uint16_t* labels, int valid, double* losses);
  SquareSums (*squares)(const float* logits, const float* reference, int classes, int valid);
  // KL(softmax(reference) || softmax(logits)) in nats, added up over the rows.
  double (*divergence)(const float* logits, const float* reference, int classes, int valid);
};

// Columns are taken kMomentTile at a time: x[rows] of `width` numbers each, `stride` apart; width is a multiple of it.
inline constexpr int kMomentTile = 32;

template <class T>
struct MomentKernels {
  // Sum (in double), smallest and largest number of each column; abs: of |x|. A NaN or an infinity in a column makes
  // its sum NaN or infinite and its bounds meaningless. rows >= 1.
  void (*sums)(const T* x, int64_t rows, int64_t stride, int64_t width, bool abs, double* sum, T* low, T* high);
  // Sums of x - mean, what rounding took from the mean, and of (x - mean)^2 of each column, in double.
  void (*squares)(const T* x, int64_t rows, int64_t stride, int64_t width, bool abs, const double* mean, double* rest,
                  double* squares);
};

// How many numbers are < low, <= low, <= high, and no NaN.
struct WindowCounts {
  int64_t below = 0, to_low = 0, to_high = 0, numbers = 0;
};

// c[m][n] = row_bias[m] + column_bias[n] + sum over k of a[m][k] * b[k][n], all row-major with the given distances
// between rows. Rows of b, and column_bias, have memory for n rounded up to kPanel; only n columns of c are written.
inline constexpr int kPanel = 32;
struct MatrixProduct {
  const float* a = nullptr;
  int64_t lda = 0;
  const float* b = nullptr;
  int64_t ldb = 0;
  const float* row_bias = nullptr;     // null: none
  const float* column_bias = nullptr;  // null: none
  float* c = nullptr;
  int64_t ldc = 0;
  int m = 0, n = 0, k = 0;
};

// Squared errors are summed in lanes: number i of a stream goes to lane i % kErrorLanes, in the order of the stream.
inline constexpr int kErrorLanes = 16;

struct KernelTable {
  const char* isa;
  void (*fake_quantize_f32)(const float* x, float* y, int64_t n, const GridF32& grid);
  void (*fake_quantize_f64)(const double* x, double* y, int64_t n, const GridF64& grid);

  // The same with a grid for each number: grids has n of them.
  void (*fake_quantize_each_f32)(const float* x, float* y, int64_t n, const GridEach<float>& grids);
  void (*fake_quantize_each_f64)(const double* x, double* y, int64_t n, const GridEach<double>& grids);

  // Exact, and so equal on every instruction set, as long as every partial sum fits a float.
  void (*matrix_product)(const MatrixProduct& p);

  // y may be x.
  void (*elementwise)(const Elementwise& op, const float* x, float* y, int rows);

  // Blocks of rows in the encodings of product.h, and the layers between them.
  void (*encode)(const Encode& e);
  ProductKernels product;

  // logits[classes][kBlock]; labels[kBlock]; rows beyond `valid` count for nothing.
  void (*classify)(const float* logits, int classes, const uint16_t* labels, int valid, bool want_loss,
                   BlockScore* score);
  // The same, but adds to each class how often it was predicted, and rightly so, and returns the loss (0 unless
  // wanted).
  double (*classify_counts)(const float* logits, int classes, const uint16_t* labels, int valid, bool want_loss,
                            int64_t* predicted, int64_t* correct);

  OutputKernels outputs;

  MomentKernels<float> moments_f32;
  MomentKernels<double> moments_f64;

  // Adds the counts of x[n], n < 2^31, to `counts`, writes what lies in (low, high) to `inside`, which has room for n +
  // 1 numbers, and returns how many those are. NaN is nowhere.
  int64_t (*window_f32)(const float* x, int64_t n, float low, float high, WindowCounts* counts, float* inside);
  int64_t (*window_f64)(const double* x, int64_t n, double low, double high, WindowCounts* counts, double* inside);

  // Adds the squared distances, in double, of x[n] from their fake_quantize_f32 to sums[count][kErrorLanes], one row a
  // grid. x[0] is number `place` of its stream. NaN and infinities count for nothing.
  void (*squared_errors)(const float* x, int64_t n, int64_t place, const GridF32* grids, int count, double* sums);

  ActivationKernel activation = nullptr;
  RowKernels rows{};
  PlaneKernels planes{};

  TrainKernels<float> train_f32{};
  TrainKernels<double> train_f64{};
};

// The table of one instruction set, which must be an available one, and of the active one.
const KernelTable& kernels(Isa isa);
const KernelTable& kernels();

// Plain loops that can be checked by eye; every fast kernel is compared with them.
extern const KernelTable reference_kernels;

}  // namespace chop
