// What a step of training computes on one block: rows of data feature-major, so that feature f of the samples lies at
// x[f * ld + sample]. A block has `valid` samples, and memory for `rows` of them, a multiple of kTrainLanes. Behind the
// valid ones stands the last of them again, so that nothing is infinite only there, and zero in gradients.
#pragma once

#include <cstdint>

#include "chop/kernels/learned.h"
#include "chop/kernels/train_row_norms.h"
#include "chop/kernels/train_windows.h"

namespace chop {

inline constexpr int kTrainLanes = 16;

// The places of a block.
struct TrainBlock {
  int rows = 0, valid = 0;
  int64_t ld = 0;
};

// y[o] = bias[o] + sum over i of w[o * w_out + i * w_in] x[i], for all samples.
template <class T>
struct TrainProduct {
  TrainBlock block;
  const T* w = nullptr;
  int64_t w_out = 0, w_in = 0;
  const T* bias = nullptr;  // null: none
  const T* x = nullptr;
  T* y = nullptr;
  int outs = 0, ins = 0;
  bool add = false;   // to what y holds
  bool relu = false;  // y becomes max(y, 0)
};

// dw[o][i] += sum over the samples of g[o] x[i]; db[o] += sum of g[o].
template <class T>
struct TrainWeightGradient {
  TrainBlock block;
  const T* g = nullptr;
  const T* x = nullptr;
  T* dw = nullptr;
  T* db = nullptr;  // null: none
  int outs = 0, ins = 0;
};

// Channel c of a normalization: feature rows c * positions to (c + 1) * positions.
struct TrainChannels {
  TrainBlock block;
  int channels = 0, positions = 1;
};

// Constants of a normalization, [channels] each. gamma and beta may be null: 1 and 0.
template <class T>
struct TrainNorm {
  const T* gamma = nullptr;
  const T* beta = nullptr;
  T* mean = nullptr;
  T* inverse = nullptr;  // 1 / sqrt(variance + eps)
  T* alpha = nullptr;    // y = alpha x + shift
  T* shift = nullptr;
  T* part = nullptr;  // of (x - mean) in the gradient of x
  T* mean_gradient = nullptr;
};

// Cross-entropy of logits[classes]; labels are class numbers.
template <class T>
struct TrainLoss {
  TrainBlock block;
  const T* logits = nullptr;
  T* gradient = nullptr;  // of the sum of losses times scale; null: not wanted
  const T* labels = nullptr;
  const T* wanted = nullptr;  // [classes], probabilities that are the target instead of the label; null: the label is
  int classes = 0;
  T scale = 1;
  int64_t* confusion = nullptr;  // [classes][classes], adds 1 at [label][predicted]
  T* predicted = nullptr;        // [rows], scratch
};

// Rows order[0 … valid - 1] of data[][stride] become a block, whose rest repeats the last of them. stride is a multiple
// of kTrainLanes.
template <class T>
struct TrainGather {
  TrainBlock block;
  const T* data = nullptr;
  int64_t stride = 0;
  const int64_t* order = nullptr;  // null: first, first + 1, …
  int64_t first = 0;
  int features = 0;
  T* x = nullptr;
  const int64_t* next = nullptr;  // rows that will be wanted soon, null: unknown
  int next_count = 0;
};

// Chains of batch norms, ReLUs and linear layers, none wider than a vector: one row of kNarrow numbers a sample, with
// the features in its lanes, so that nothing is summed across lanes. What lies behind the features has no meaning.
inline constexpr int kNarrow = 16;
inline constexpr int kNarrowRows = 1024;  // most of a batch; the values of more leave the near caches

// A batch norm, a ReLU and a linear layer, each of which may be missing.
template <class T>
struct TrainNarrowStage {
  bool norm = false, relu = false;
  int ins = 0, outs = 0;                                  // outs 0: no linear layer
  int64_t gamma = -1, beta = -1, weight = -1, bias = -1;  // places in the parameters; -1: none
  T eps = 0;
  T *mean = nullptr, *variance = nullptr;  // the norm's, of the batch
};

// One step. Linear layers are in all stages but the last one, which makes the logits.
template <class T>
struct TrainNarrow {
  const TrainNarrowStage<T>* stages = nullptr;
  int count = 0;
  TrainGather<T> rows;   // to inputs[0], [valid][kNarrow]
  TrainBlock block;      // ld: of logits and their gradient, which are feature-major
  T* inputs = nullptr;   // [count][rows][kNarrow], of the stages; aligned to 64 bytes
  T* scratch = nullptr;  // [2][rows][kNarrow]
  T* affine = nullptr;   // [count][2][kNarrow]: what the norms multiply by and add
  T* logits = nullptr;
  T* gradient = nullptr;
  const T* weights = nullptr;
  T* gradients = nullptr;  // of the weights
  bool keep = false;       // add to them
};

enum class TrainUnary : int {
  affine,  // a x + b
  clamp,   // to [a, b]
  leaky_relu,
  sigmoid,
  tanh,
  gelu,
  gelu_tanh,
  silu,
  elu,  // x b where x >= 0, else (exp(x c) - 1) a, as in activation.h
  softplus,
  mish,
  log_sigmoid,
  softsign,
  hard_sigmoid,
  hard_swish,
  exponential,
};
inline constexpr int kTrainUnaries = static_cast<int>(TrainUnary::exponential) + 1;

struct TrainUnaryOp {
  TrainUnary kind = TrainUnary::affine;
  double a = 0, b = 0, c = 0;
};

// Constants of one update of the weights, as the optimizers of torch define them.
struct TrainAdam {
  double learning_rate, beta1, beta2, eps, weight_decay;
  bool decoupled;  // AdamW
  double correction1, correction2_root;
};
struct TrainSgd {
  double learning_rate, momentum, weight_decay;
  bool nesterov, first;
};

template <class T>
struct TrainLinearKernels {
  void (*product)(const TrainProduct<T>& p) = nullptr;
  void (*weight_gradient)(const TrainWeightGradient<T>& p) = nullptr;
};

// The same bits, where weights or whole rows are zero in less time. False, and nothing is written, where a number is not
// finite or a layer has too many inputs or outputs for it. Weights must be finite.
template <class T>
struct TrainSparseKernels {
  bool (*product)(const TrainProduct<T>& p) = nullptr;
  bool (*weight_gradient)(const TrainWeightGradient<T>& p) = nullptr;
};

template <class T>
struct TrainNormKernels {
  void (*gather)(const TrainGather<T>& p) = nullptr;
  // Mean, and sum of squares around it, of the valid numbers of each channel.
  void (*moments)(const TrainChannels& c, const T* x, T* mean, T* squares) = nullptr;
  // inverse, alpha and shift of `variance`.
  void (*constants)(int channels, const T* variance, T eps, const TrainNorm<T>& n) = nullptr;
  void (*normalize)(const TrainChannels& c, const TrainNorm<T>& n, const T* x, T* y, bool relu) = nullptr;
  // Sums of g and of g (x - mean) of each channel. With y, g becomes zero where y is not positive.
  void (*sums)(const TrainChannels& c, const T* mean, const T* x, const T* y, T* g, T* sum, T* dot) = nullptr;
  // From both sums over `count` numbers: part and mean_gradient; adds to the gradients of gamma and beta, if not null.
  void (*parts)(int channels, const T* sum, const T* dot, T count, const TrainNorm<T>& n, T* dgamma,
                T* dbeta) = nullptr;
  // dx = (g - mean_gradient - (x - mean) part) alpha; dx may be g. add: to what dx holds.
  void (*backward)(const TrainChannels& c, const TrainNorm<T>& n, const T* x, const T* g, T* dx, bool add) = nullptr;
};

// The sum of the losses of the valid samples.
template <class T>
using TrainLossKernel = double (*)(const TrainLoss<T>& p);

// Over n numbers. What is written may be what is read.
template <class T>
struct TrainElementwiseKernels {
  void (*unary)(const TrainUnaryOp& op, const T* x, T* y, int64_t n) = nullptr;
  void (*unary_backward)(const TrainUnaryOp& op, const T* x, const T* g, T* dx, int64_t n) = nullptr;
  void (*relu)(const T* x, T* y, int64_t n) = nullptr;
  void (*relu_backward)(const T* y, const T* g, T* dx, int64_t n) = nullptr;  // g where y > 0
  // g where the rounded code of x lies between low and high.
  void (*inside)(const T* x, T inverse_step, T low, T high, const T* g, T* dx, int64_t n) = nullptr;
  void (*combine)(const T* a, T factor, const T* b, T* y, int64_t n) = nullptr;  // a + factor b
  void (*multiply)(const T* a, const T* b, T* y, int64_t n) = nullptr;
  void (*multiply_add)(const T* a, const T* b, T* y, int64_t n) = nullptr;  // y + a b
};

template <class T>
struct TrainUpdateKernels {
  void (*adam)(const TrainAdam& o, T* p, const T* g, T* first, T* second, int64_t n) = nullptr;
  void (*sgd)(const TrainSgd& o, T* p, const T* g, T* buffer, int64_t n) = nullptr;
  double (*squares)(const T* x, int64_t n) = nullptr;  // their sum
  void (*limit)(T* x, T bound, int64_t n) = nullptr;   // to [-bound, bound]
  void (*scale)(T* x, T factor, int64_t n) = nullptr;
};

// Null where vectors have fewer lanes than kNarrow.
template <class T>
struct TrainNarrowKernels {
  void (*forward)(const TrainNarrow<T>& p) = nullptr;
  void (*backward)(const TrainNarrow<T>& p) = nullptr;
};

template <class T>
struct TrainKernels {
  TrainLinearKernels<T> linear;
  TrainNormKernels<T> norm;
  TrainLossKernel<T> loss = nullptr;
  TrainElementwiseKernels<T> elementwise;
  TrainUpdateKernels<T> update;
  TrainNarrowKernels<T> narrow;
  LearnedKernels<T> learned;
  TrainWindowKernels<T> windows;
  TrainRowNormKernels<T> row_norms;
  TrainSparseKernels<T> sparse;
};

}  // namespace chop
