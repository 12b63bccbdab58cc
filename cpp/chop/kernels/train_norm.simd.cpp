#include "chop/kernels/simd_tables.h"
// clang-format off: after the tables
#include "chop/kernels/lanes.inl"
// clang-format on

namespace chop::CHOP_ISA {
namespace {

// Calls take(a, vector, place) for the valid numbers of `lanes` channels from c on, channel by channel; places behind
// the valid ones are masked by `take` through the count of lanes it is given.
template <class T, class Take>
inline void visit(const TrainChannels& shape, int c, int count, Take take) {
  constexpr int lanes = VectorOf<T>::lanes;
  const TrainBlock& block = shape.block;
  const int whole = block.valid / lanes * lanes;
  CHOP_UNROLL for (int a = 0; a < lanes; ++a) {
    if (a >= count) break;
    for (int p = 0; p < shape.positions; ++p) {
      const int64_t at = (static_cast<int64_t>(c + a) * shape.positions + p) * block.ld;
      for (int s = 0; s < whole; s += lanes) take(a, at + s, lanes);
      if (whole < block.valid) take(a, at + whole, block.valid - whole);
    }
  }
}

template <class T>
void moments(const TrainChannels& shape, const T* x, T* mean, T* squares) {
  using V = typename VectorOf<T>::type;
  constexpr int lanes = VectorOf<T>::lanes;
  const T numbers = static_cast<T>(static_cast<int64_t>(shape.block.valid) * shape.positions);
  for (int c = 0; c < shape.channels; c += lanes) {
    const int count = shape.channels - c < lanes ? shape.channels - c : lanes;
    V sum[lanes] = {};
    visit<T>(shape, c, count, [&](int a, int64_t at, int valid) {
      sum[a] += valid == lanes ? load(x + at) : first_lanes<T>(load(x + at), valid);
    });
    T found[lanes];
    store(found, lane_sums<T>(sum) / numbers);
    V square[lanes] = {};
    visit<T>(shape, c, count, [&](int a, int64_t at, int valid) {
      const V distance = load(x + at) - found[a];
      square[a] += valid == lanes ? distance * distance : first_lanes<T>(distance * distance, valid);
    });
    T around[lanes];
    store(around, lane_sums<T>(square));
    for (int a = 0; a < count; ++a) {
      mean[c + a] = found[a];
      squares[c + a] = around[a];
    }
  }
}

inline float square_root(float v) { return __builtin_sqrtf(v); }
inline double square_root(double v) { return __builtin_sqrt(v); }

template <class T>
void constants(int channels, const T* __restrict variance, T eps, const TrainNorm<T>& n) {
  T* __restrict inverse = n.inverse, * __restrict alpha = n.alpha, * __restrict shift = n.shift;
  const T* __restrict mean = n.mean, * __restrict gamma = n.gamma, * __restrict beta = n.beta;
  for (int c = 0; c < channels; ++c) inverse[c] = T(1) / square_root(variance[c] + eps);
  if (gamma) {
    for (int c = 0; c < channels; ++c) alpha[c] = inverse[c] * gamma[c];
  } else {
    for (int c = 0; c < channels; ++c) alpha[c] = inverse[c];
  }
  if (beta) {
    for (int c = 0; c < channels; ++c) shift[c] = beta[c] - mean[c] * alpha[c];
  } else {
    for (int c = 0; c < channels; ++c) shift[c] = -mean[c] * alpha[c];
  }
}

template <class T>
void normalize(const TrainChannels& shape, const TrainNorm<T>& n, const T* x, T* y, bool relu) {
  using V = typename VectorOf<T>::type;
  constexpr int lanes = VectorOf<T>::lanes;
  const int rows = shape.channels * shape.positions;
  for (int r = 0; r < rows; ++r) {
    const int c = shape.positions == 1 ? r : r / shape.positions;
    const T alpha = n.alpha[c], shift = n.shift[c];
    const int64_t at = r * shape.block.ld;
    for (int s = 0; s < shape.block.rows; s += lanes) {
      const V found = load(x + at + s) * alpha + shift;
      store(y + at + s, relu ? (found < T(0) ? V{} : found) : found);
    }
  }
}

template <class T>
void sums(const TrainChannels& shape, const T* mean, const T* x, const T* y, T* g, T* sum, T* dot) {
  using V = typename VectorOf<T>::type;
  constexpr int lanes = VectorOf<T>::lanes;
  for (int c = 0; c < shape.channels; c += lanes) {
    const int count = shape.channels - c < lanes ? shape.channels - c : lanes;
    V totals[lanes] = {}, dots[lanes] = {};
    visit<T>(shape, c, count, [&](int a, int64_t at, int) {  // gradients are zero behind the valid samples
      V gradient = load(g + at);
      if (y) {
        gradient = load(y + at) > T(0) ? gradient : V{};
        store(g + at, gradient);
      }
      totals[a] += gradient;
      dots[a] += gradient * (load(x + at) - mean[c + a]);
    });
    T found[lanes], products[lanes];
    const bool half = 2 * count <= lanes;
    if (half) {  // both fit one set of vectors
      CHOP_UNROLL for (int a = 0; a < lanes / 2; ++a) totals[lanes / 2 + a] = dots[a];
    } else {
      store(products, lane_sums<T>(dots));
    }
    store(found, lane_sums<T>(totals));
    if (half) __builtin_memcpy(products, found + lanes / 2, sizeof(T) * (lanes / 2));
    for (int a = 0; a < count; ++a) {
      sum[c + a] = found[a];
      dot[c + a] = products[a];
    }
  }
}

template <class T>
void parts(int channels, const T* __restrict sum, const T* __restrict dot, T numbers, const TrainNorm<T>& n,
           T* __restrict dgamma, T* __restrict dbeta) {
  const T* __restrict inverse = n.inverse;
  T* __restrict part = n.part, * __restrict mean_gradient = n.mean_gradient;
  const T share = T(1) / numbers;
  for (int c = 0; c < channels; ++c) {
    part[c] = dot[c] * inverse[c] * inverse[c] * share;
    mean_gradient[c] = sum[c] * share;
  }
  if (dgamma)
    for (int c = 0; c < channels; ++c) dgamma[c] += dot[c] * inverse[c];
  if (dbeta)
    for (int c = 0; c < channels; ++c) dbeta[c] += sum[c];
}

template <class T>
void backward(const TrainChannels& shape, const TrainNorm<T>& n, const T* x, const T* g, T* dx, bool add) {
  using V = typename VectorOf<T>::type;
  constexpr int lanes = VectorOf<T>::lanes;
  const int rows = shape.channels * shape.positions, valid = shape.block.valid;
  for (int r = 0; r < rows; ++r) {
    const int c = shape.positions == 1 ? r : r / shape.positions;
    const T mean = n.mean[c], part = n.part[c], mean_gradient = n.mean_gradient[c], alpha = n.alpha[c];
    const int64_t at = r * shape.block.ld;
    for (int s = 0; s < shape.block.rows; s += lanes) {
      V found = (load(g + at + s) - mean_gradient - (load(x + at + s) - mean) * part) * alpha;
      if (s + lanes > valid) found = first_lanes<T>(found, valid - s);
      store(dx + at + s, add ? found + load(dx + at + s) : found);
    }
  }
}

template <class T>
void gather(const TrainGather<T>& p) {
  using V = typename VectorOf<T>::type;
  constexpr int lanes = VectorOf<T>::lanes;
  constexpr int64_t line = 64 / sizeof(T);
  for (int j = 0; j < p.next_count; ++j)
    for (int64_t f = 0; f < p.features; f += line) __builtin_prefetch(p.data + p.next[j] * p.stride + f);
  for (int s = 0; s < p.block.rows; s += lanes) {
    const T* from[lanes];
    CHOP_UNROLL for (int l = 0; l < lanes; ++l) {
      const int j = s + l < p.block.valid ? s + l : p.block.valid - 1;
      from[l] = p.data + (p.order ? p.order[j] : p.first + j) * p.stride;
    }
    for (int f = 0; f < p.features; f += lanes) {
      V tile[lanes];
      CHOP_UNROLL for (int l = 0; l < lanes; ++l) tile[l] = load(from[l] + f);
      transpose<T>(tile);
      const int count = p.features - f;
      CHOP_UNROLL for (int l = 0; l < lanes; ++l) if (l < count) store(p.x + (f + l) * p.block.ld + s, tile[l]);
    }
  }
}

template <class T>
constexpr TrainNormKernels<T> norm_table() {
  return {gather<T>, moments<T>, constants<T>, normalize<T>, sums<T>, parts<T>, backward<T>};
}

}  // namespace

extern const TrainNormKernels<float> train_norm_f32;
extern const TrainNormKernels<double> train_norm_f64;
const TrainNormKernels<float> train_norm_f32 = norm_table<float>();
const TrainNormKernels<double> train_norm_f64 = norm_table<double>();

}  // namespace chop::CHOP_ISA
