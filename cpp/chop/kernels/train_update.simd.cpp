#include "chop/kernels/simd_tables.h"

namespace chop::CHOP_ISA {
namespace {

inline float square_root(float v) { return __builtin_sqrtf(v); }
inline double square_root(double v) { return __builtin_sqrt(v); }

// Source: Kingma and Ba, arXiv:1412.6980; Loshchilov and Hutter, arXiv:1711.05101; the order of operations is torch's.
template <class T>
void adam(const TrainAdam& o, T* __restrict p, const T* __restrict g, T* __restrict first, T* __restrict second,
          int64_t n) {
  const T keep = static_cast<T>(1.0 - (o.decoupled ? o.learning_rate * o.weight_decay : 0.0));
  const T decay = static_cast<T>(o.decoupled ? 0.0 : o.weight_decay);
  const T part1 = static_cast<T>(1.0 - o.beta1), beta2 = static_cast<T>(o.beta2), part2 = static_cast<T>(1.0 - o.beta2);
  const T step = static_cast<T>(o.learning_rate / o.correction1), eps = static_cast<T>(o.eps);
  const T root = static_cast<T>(1.0 / o.correction2_root);
  for (int64_t i = 0; i < n; ++i) {
    const T kept = p[i] * keep;
    const T gradient = g[i] + decay * kept;
    const T mean = first[i] + part1 * (gradient - first[i]);
    const T square = second[i] * beta2 + part2 * (gradient * gradient);
    first[i] = mean;
    second[i] = square;
    p[i] = kept - step * mean / (square_root(square) * root + eps);
  }
}

template <class T>
void sgd(const TrainSgd& o, T* __restrict p, const T* __restrict g, T* __restrict buffer, int64_t n) {
  const T rate = static_cast<T>(o.learning_rate), decay = static_cast<T>(o.weight_decay);
  const T momentum = static_cast<T>(o.momentum), look = static_cast<T>(o.nesterov ? o.momentum : 0.0);
  const T whole = static_cast<T>(o.nesterov ? 0.0 : 1.0);
  if (o.momentum == 0.0) {
    for (int64_t i = 0; i < n; ++i) p[i] -= rate * (g[i] + decay * p[i]);
    return;
  }
  const T before = o.first ? T(0) : momentum;
  for (int64_t i = 0; i < n; ++i) {
    const T gradient = g[i] + decay * p[i];
    const T moved = before * buffer[i] + gradient;
    buffer[i] = moved;
    const T direction = o.nesterov ? gradient + look * moved : whole * moved;
    p[i] -= rate * direction;
  }
}

// In kSums sums of their own, so that the order is the same on every instruction set.
template <class T>
double squares(const T* x, int64_t n) {
  constexpr int kSums = 16;
  double sums[kSums] = {};
  int64_t i = 0;
  for (; i + kSums <= n; i += kSums)
    for (int l = 0; l < kSums; ++l) sums[l] += static_cast<double>(x[i + l]) * static_cast<double>(x[i + l]);
  for (; i < n; ++i) sums[i % kSums] += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  double total = 0;
  for (int l = 0; l < kSums; ++l) total += sums[l];
  return total;
}

template <class T>
void limit(T* x, T bound, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const T raised = x[i] < -bound ? -bound : x[i];
    x[i] = raised > bound ? bound : raised;
  }
}

template <class T>
void scale(T* x, T factor, int64_t n) {
  for (int64_t i = 0; i < n; ++i) x[i] *= factor;
}

template <class T>
constexpr TrainUpdateKernels<T> table() {
  return {adam<T>, sgd<T>, squares<T>, limit<T>, scale<T>};
}

}  // namespace

extern const TrainUpdateKernels<float> train_update_f32;
extern const TrainUpdateKernels<double> train_update_f64;
const TrainUpdateKernels<float> train_update_f32 = table<float>();
const TrainUpdateKernels<double> train_update_f64 = table<double>();

}  // namespace chop::CHOP_ISA
