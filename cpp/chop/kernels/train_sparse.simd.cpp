// The work of a linear layer most of whose weights are zero: weights of zero, and rows of zeros, are left out.
//
// All else happens in the order of train_linear.simd.cpp, with the same operations. What is left out adds zero times a
// finite number to a sum that is never -0, so the results have the same bits.
#include "chop/kernels/simd_tables.h"
// clang-format off: after the tables
#include "chop/kernels/lanes.inl"
// clang-format on

namespace chop::CHOP_ISA {
namespace {

constexpr int kMostRows = 512;  // of a layer's inputs or outputs, for the lists below

template <class T>
struct Entry {
  const T* x;
  T weight;
};

// The numbers of rows that hold anything but zeros; returns how many, or -1 if a number is NaN or infinite.
template <class T>
inline int rows_with_numbers(const TrainBlock& block, const T* x, int rows, int* found) {
  using V = typename VectorOf<T>::type;
  using Truth = decltype(V{} != V{});
  Truth wild{};
  int count = 0;
  for (int r = 0; r < rows; ++r, x += block.ld) {
    Truth filled{};
    for (int s = 0; s < block.rows; s += VectorOf<T>::lanes) {
      const V v = load(x + s);
      filled |= v != V{};
      wild |= v - v != V{};
    }
    found[count] = r;
    count += lanes_where<T>(filled) != 0;
  }
  return lanes_where<T>(wild) ? -1 : count;
}

template <class T, int vecs>
inline void sum_entries(const TrainProduct<T>& p, int o, int s, const Entry<T>* entries, int count) {
  using V = typename VectorOf<T>::type;
  constexpr int lanes = VectorOf<T>::lanes;
  T* y = p.y + o * p.block.ld + s;
  const V bias = V{} + (p.bias ? p.bias[o] : T(0));
  V sum[vecs];
  CHOP_UNROLL for (int v = 0; v < vecs; ++v) sum[v] = p.add ? bias + load(y + v * lanes) : bias;
  for (int k = 0; k < count; ++k) {
    const T* x = entries[k].x + s;
    const T weight = entries[k].weight;
    CHOP_UNROLL for (int v = 0; v < vecs; ++v) sum[v] += weight * load(x + v * lanes);
  }
  CHOP_UNROLL for (int v = 0; v < vecs; ++v) {
    const V found = sum[v];
    store(y + v * lanes, p.relu ? (found < T(0) ? V{} : found) : found);
  }
}

template <class T>
inline void sum_row(const TrainProduct<T>& p, int o, const Entry<T>* entries, int count) {
  constexpr int lanes = VectorOf<T>::lanes, vecs = 8;
  int s = 0;
  for (; s + vecs * lanes <= p.block.rows; s += vecs * lanes) sum_entries<T, vecs>(p, o, s, entries, count);
  for (; s < p.block.rows; s += lanes) sum_entries<T, 1>(p, o, s, entries, count);
}

template <class T>
inline void one_row(const TrainProduct<T>& p, int o, const int* live, int ins) {
  Entry<T> entries[kMostRows];
  const T* w = p.w + o * p.w_out;
  int count = 0;
  for (int k = 0; k < ins; ++k) {
    const T weight = w[live[k] * p.w_in];
    entries[count] = {p.x + live[k] * p.block.ld, weight};
    count += weight != T(0);
  }
  sum_row(p, o, entries, count);
}

// As many rows of the result as lanes, whose weights lie side by side.
template <class T>
inline void rows_side_by_side(const TrainProduct<T>& p, int o, const int* live, int ins) {
  using V = typename VectorOf<T>::type;
  constexpr int lanes = VectorOf<T>::lanes;
  Entry<T> entries[lanes][kMostRows];
  int counts[lanes] = {};
  for (int k = 0; k < ins; ++k) {
    const T *w = p.w + live[k] * p.w_in + o, *x = p.x + live[k] * p.block.ld;
    for (unsigned left = lanes_where<T>(load(w) != V{}); left; left &= left - 1) {
      const int l = __builtin_ctz(left);
      entries[l][counts[l]++] = {x, w[l]};
    }
  }
  for (int l = 0; l < lanes; ++l) sum_row(p, o + l, entries[l], counts[l]);
}

// Weights of a row that lie side by side.
template <class T>
inline void row_side_by_side(const TrainProduct<T>& p, int o, const unsigned* live) {
  using V = typename VectorOf<T>::type;
  constexpr int lanes = VectorOf<T>::lanes;
  Entry<T> entries[kMostRows];
  const T* w = p.w + o * p.w_out;
  int count = 0, i = 0;
  for (; i + lanes <= p.ins; i += lanes)
    for (unsigned left = lanes_where<T>(load(w + i) != V{}) & live[i / lanes]; left; left &= left - 1) {
      const int at = i + __builtin_ctz(left);
      entries[count++] = {p.x + at * p.block.ld, w[at]};
    }
  for (; i < p.ins; ++i)
    if (w[i] != T(0)) entries[count++] = {p.x + i * p.block.ld, w[i]};
  sum_row(p, o, entries, count);
}

template <class T>
bool sparse_product(const TrainProduct<T>& p) {
  constexpr int lanes = VectorOf<T>::lanes;
  int live[kMostRows];
  const int ins = p.ins > kMostRows ? -1 : rows_with_numbers(p.block, p.x, p.ins, live);
  if (ins < 0) return false;
  int o = 0;
  if (p.w_in == 1) {
    unsigned masks[kMostRows / lanes] = {};
    for (int k = 0; k < ins; ++k) masks[live[k] / lanes] |= 1u << live[k] % lanes;
    for (; o < p.outs; ++o) row_side_by_side(p, o, masks);
  } else if (p.w_out == 1) {
    for (; o + lanes <= p.outs; o += lanes) rows_side_by_side(p, o, live, ins);
  }
  for (; o < p.outs; ++o) one_row(p, o, live, ins);
  return true;
}

// Sums over the samples of outs x ins products, as many as lanes, of rows whose numbers stand in `o` and `i`.
template <class T, int outs>
inline void gradient_tile(const TrainWeightGradient<T>& p, const int* o, int os, const int* i, int is) {
  using V = typename VectorOf<T>::type;
  constexpr int lanes = VectorOf<T>::lanes, ins = lanes / outs;
  const T *g[outs], *x[ins];
  CHOP_UNROLL for (int a = 0; a < outs; ++a) g[a] = p.g + o[a < os ? a : os - 1] * p.block.ld;
  CHOP_UNROLL for (int b = 0; b < ins; ++b) x[b] = p.x + i[b < is ? b : is - 1] * p.block.ld;
  V sum[lanes] = {};
  for (int s = 0; s < p.block.rows; s += lanes) add_pairs<T, outs>(sum, g, s, x, s);
  T found[lanes];
  store(found, lane_sums<T>(sum));
  const bool side_by_side = is == ins && i[ins - 1] - i[0] == ins - 1;
  for (int a = 0; a < outs && a < os; ++a) {
    T* dw = p.dw + static_cast<int64_t>(o[a]) * p.ins;
    if (side_by_side) {
      CHOP_UNROLL for (int b = 0; b < ins; ++b) dw[i[0] + b] += found[a * ins + b];
    } else {
      for (int b = 0; b < is; ++b) dw[i[b]] += found[a * ins + b];
    }
  }
}

template <class T>
inline void add_row_sums(const TrainWeightGradient<T>& p, const int* o, int count) {
  using V = typename VectorOf<T>::type;
  constexpr int lanes = VectorOf<T>::lanes;
  for (int r = 0; r < count; r += lanes) {
    V sum[lanes];
    CHOP_UNROLL for (int a = 0; a < lanes; ++a) {
      sum[a] = V{};
      if (r + a < count)
        for (int s = 0; s < p.block.rows; s += lanes) sum[a] += load(p.g + o[r + a] * p.block.ld + s);
    }
    T found[lanes];
    store(found, lane_sums<T>(sum));
    for (int a = 0; a < lanes && r + a < count; ++a) p.db[o[r + a]] += found[a];
  }
}

template <class T>
bool sparse_weight_gradient(const TrainWeightGradient<T>& p) {
  constexpr int lanes = VectorOf<T>::lanes, most = lanes >= 16 ? 4 : (lanes >= 4 ? 2 : 1), ins = lanes / most;
  int o[kMostRows], i[kMostRows];
  if (p.outs > kMostRows || p.ins > kMostRows) return false;
  const int os = rows_with_numbers(p.block, p.g, p.outs, o), is = rows_with_numbers(p.block, p.x, p.ins, i);
  if (os < 0 || is < 0) return false;
  for (int a = 0; a < os; a += most)
    for (int b = 0; b < is; b += ins)
      gradient_tile<T, most>(p, o + a, os - a < most ? os - a : most, i + b, is - b < ins ? is - b : ins);
  if (p.db) add_row_sums(p, o, os);
  return true;
}

}  // namespace

extern const TrainSparseKernels<float> train_sparse_f32;
extern const TrainSparseKernels<double> train_sparse_f64;
const TrainSparseKernels<float> train_sparse_f32 = {sparse_product<float>, sparse_weight_gradient<float>};
const TrainSparseKernels<double> train_sparse_f64 = {sparse_product<double>, sparse_weight_gradient<double>};

}  // namespace chop::CHOP_ISA
