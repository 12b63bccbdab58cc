#include "chop/kernels/simd_tables.h"

namespace chop::CHOP_ISA {
namespace {

inline float square_root(float v) { return __builtin_sqrtf(v); }
inline double square_root(double v) { return __builtin_sqrt(v); }

template <class T>
struct Least;  // normal number above zero, and whole numbers of the same size
template <>
struct Least<float> {
  using bits = int;
  static constexpr float value = __FLT_MIN__;
};
template <>
struct Least<double> {
  using bits = long long;
  static constexpr double value = __DBL_MIN__;
};

// A subnormal moment moves no parameter, and arithmetic with it is many times slower.
template <class T>
inline T normal_or_zero(T v) {
  return (v < T(0) ? -v : v) < Least<T>::value ? T(0) : v;
}

template <class T>
struct AdamFactors {
  T keep, decay, part1, beta2, part2, step, eps, root;
  bool rests;  // a parameter stays where its first moment is zero
};

// Parameters whose gradients stay zero keep their place: most of a pruned network needs no root and no quotient.
template <class T>
inline void adam_part(const AdamFactors<T>& o, T* __restrict p, const T* __restrict g, T* __restrict first,
                      T* __restrict second, int n) {
  using Bits = typename Least<T>::bits;
  Bits moving = 0;
  for (int i = 0; i < n; ++i) {
    const T gradient = g[i] + o.decay * (p[i] * o.keep);
    const T mean = normal_or_zero(first[i] + o.part1 * (gradient - first[i]));
    first[i] = mean;
    second[i] = normal_or_zero(second[i] * o.beta2 + o.part2 * (gradient * gradient));
    moving |= __builtin_bit_cast(Bits, mean);
  }
  if (!moving && o.rests) return;
  for (int i = 0; i < n; ++i) p[i] = p[i] * o.keep - o.step * first[i] / (square_root(second[i]) * o.root + o.eps);
}

// Source: Kingma and Ba, arXiv:1412.6980; Loshchilov and Hutter, arXiv:1711.05101; the order of operations is torch's.
template <class T>
void adam(const TrainAdam& o, T* p, const T* g, T* first, T* second, int64_t n) {
  AdamFactors<T> f;
  f.keep = static_cast<T>(1.0 - (o.decoupled ? o.learning_rate * o.weight_decay : 0.0));
  f.decay = static_cast<T>(o.decoupled ? 0.0 : o.weight_decay);
  f.part1 = static_cast<T>(1.0 - o.beta1);
  f.beta2 = static_cast<T>(o.beta2);
  f.part2 = static_cast<T>(1.0 - o.beta2);
  f.step = static_cast<T>(o.learning_rate / o.correction1);
  f.eps = static_cast<T>(o.eps);
  f.root = static_cast<T>(1.0 / o.correction2_root);
  f.rests = f.keep == T(1) && f.eps > T(0);
  constexpr int kPart = 32;
  int64_t i = 0;
  for (; i + kPart <= n; i += kPart) adam_part(f, p + i, g + i, first + i, second + i, kPart);
  adam_part(f, p + i, g + i, first + i, second + i, static_cast<int>(n - i));
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
