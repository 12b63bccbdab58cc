#include "chop/kernels/simd_tables.h"
// clang-format off: after the tables
#include "chop/kernels/lanes.inl"
// clang-format on

namespace chop::CHOP_ISA {
namespace {

#if defined(__AVX512F__)
inline constexpr int kOuts = 8;
#else
inline constexpr int kOuts = 4;
#endif

template <int n>
struct Count {};

template <class T, int outs, int vecs>
void product_tile(const TrainProduct<T>& p, int o, int s) {
  using V = typename VectorOf<T>::type;
  constexpr int lanes = VectorOf<T>::lanes;
  V sum[outs][vecs];
  T* y = p.y + o * p.block.ld + s;
  CHOP_UNROLL for (int a = 0; a < outs; ++a) {
    const V bias = V{} + (p.bias ? p.bias[o + a] : T(0));
    CHOP_UNROLL for (int v = 0; v < vecs; ++v) sum[a][v] = p.add ? bias + load(y + a * p.block.ld + v * lanes) : bias;
  }
  const T* w = p.w + o * p.w_out;
  const T* x = p.x + s;
  for (int i = 0; i < p.ins; ++i, w += p.w_in, x += p.block.ld) {
    V in[vecs];
    CHOP_UNROLL for (int v = 0; v < vecs; ++v) in[v] = load(x + v * lanes);
    CHOP_UNROLL for (int a = 0; a < outs; ++a) {
      const T weight = w[a * p.w_out];
      CHOP_UNROLL for (int v = 0; v < vecs; ++v) sum[a][v] += weight * in[v];
    }
  }
  CHOP_UNROLL for (int a = 0; a < outs; ++a) {
    CHOP_UNROLL for (int v = 0; v < vecs; ++v) {
      const V found = sum[a][v];
      // A NaN is no number to hide: the loss shall show it.
      store(y + a * p.block.ld + v * lanes, p.relu ? (found < T(0) ? V{} : found) : found);
    }
  }
}

template <class T, int outs, int vecs>
void product_rest(const TrainProduct<T>& p, int o, int s, int left) {
  if constexpr (outs > 0) {
    if (left == outs) return product_tile<T, outs, vecs>(p, o, s);
    product_rest<T, outs - 1, vecs>(p, o, s, left);
  }
}

template <class T, int vecs>
void product_column(const TrainProduct<T>& p, int s) {
  int o = 0;
  for (; o + kOuts <= p.outs; o += kOuts) product_tile<T, kOuts, vecs>(p, o, s);
  product_rest<T, kOuts - 1, vecs>(p, o, s, p.outs - o);
}

template <class T>
void product(const TrainProduct<T>& p) {
  constexpr int lanes = VectorOf<T>::lanes;
  int s = 0;
  for (; s + 2 * lanes <= p.block.rows; s += 2 * lanes) product_column<T, 2>(p, s);
  for (; s < p.block.rows; s += lanes) product_column<T, 1>(p, s);
}

// Sums over the samples of outs x ins products, as many as lanes.
template <class T, int outs>
void gradient_tile(const TrainWeightGradient<T>& p, int o, int i) {
  using V = typename VectorOf<T>::type;
  constexpr int lanes = VectorOf<T>::lanes, ins = lanes / outs;
  const T *g[outs], *x[ins];
  CHOP_UNROLL for (int a = 0; a < outs; ++a) g[a] = p.g + (o + a < p.outs ? o + a : p.outs - 1) * p.block.ld;
  CHOP_UNROLL for (int b = 0; b < ins; ++b) x[b] = p.x + (i + b < p.ins ? i + b : p.ins - 1) * p.block.ld;
  V sum[lanes] = {};
  for (int s = 0; s < p.block.rows; s += lanes) add_pairs<T, outs>(sum, g, s, x, s);
  T found[lanes];
  store(found, lane_sums<T>(sum));
  T* dw = p.dw + static_cast<int64_t>(o) * p.ins + i;
  const int count = p.ins - i < ins ? p.ins - i : ins;
  for (int a = 0; a < outs && o + a < p.outs; ++a) {
    if (count == ins) {
      CHOP_UNROLL for (int b = 0; b < ins; ++b) dw[a * static_cast<int64_t>(p.ins) + b] += found[a * ins + b];
    } else {
      for (int b = 0; b < count; ++b) dw[a * static_cast<int64_t>(p.ins) + b] += found[a * ins + b];
    }
  }
}

template <class T, int outs>
void gradient_rows(const TrainWeightGradient<T>& p, int o) {
  for (int i = 0; i < p.ins; i += VectorOf<T>::lanes / outs) gradient_tile<T, outs>(p, o, i);
}

template <class T>
void row_sums(const TrainBlock& block, const T* x, int rows, T* sums) {
  using V = typename VectorOf<T>::type;
  constexpr int lanes = VectorOf<T>::lanes;
  for (int r = 0; r < rows; r += lanes) {
    V sum[lanes];
    const int count = rows - r < lanes ? rows - r : lanes;
    CHOP_UNROLL for (int a = 0; a < lanes; ++a) {
      sum[a] = V{};
      if (a < count)
        for (int s = 0; s < block.rows; s += lanes) sum[a] += load(x + (r + a) * block.ld + s);
    }
    T found[lanes];
    store(found, lane_sums<T>(sum));
    for (int a = 0; a < count; ++a) sums[r + a] += found[a];
  }
}

template <class T>
void weight_gradient(const TrainWeightGradient<T>& p) {
  constexpr int most = VectorOf<T>::lanes >= 16 ? 4 : (VectorOf<T>::lanes >= 4 ? 2 : 1);
  int o = 0;
  for (; o + most <= p.outs; o += most) gradient_rows<T, most>(p, o);
  if (p.outs - o >= 3) {
    gradient_rows<T, most>(p, o);
  } else if (most >= 2 && p.outs - o == 2) {
    gradient_rows<T, most >= 2 ? 2 : 1>(p, o);
  } else if (p.outs - o == 1) {
    gradient_rows<T, 1>(p, o);
  }
  if (p.db) row_sums(p.block, p.g, p.outs, p.db);
}

}  // namespace

extern const TrainLinearKernels<float> train_linear_f32;
extern const TrainLinearKernels<double> train_linear_f64;
const TrainLinearKernels<float> train_linear_f32 = {product<float>, weight_gradient<float>};
const TrainLinearKernels<double> train_linear_f64 = {product<double>, weight_gradient<double>};

}  // namespace chop::CHOP_ISA
