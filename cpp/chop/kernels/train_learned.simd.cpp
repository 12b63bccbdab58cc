#include "chop/kernels/simd_tables.h"
// clang-format off: after the tables
#include "chop/kernels/lanes.inl"
#include "chop/kernels/rounding.inl"
// clang-format on

namespace chop::CHOP_ISA {
namespace {

template <class T>
struct Layout;
template <>
struct Layout<float> {
  using bits = int;
  static constexpr int mantissa = 23, bias = 127;
};
template <>
struct Layout<double> {
  using bits = long long;
  static constexpr int mantissa = 52, bias = 1023;
};

// 2^e of a whole number e that is an exponent of T.
template <class T>
inline T power_of_two(T e) {
  using B = typename Layout<T>::bits;
  return __builtin_bit_cast(T, static_cast<B>((static_cast<B>(e) + Layout<T>::bias) << Layout<T>::mantissa));
}

// Bits of a whole number that T holds exactly: 0 for 0, and never less.
template <class T>
inline T bits_of(T code) {
  using B = typename Layout<T>::bits;
  const T size = code < T(0) ? -code : code;
  const B exponent = (__builtin_bit_cast(B, size) >> Layout<T>::mantissa) - Layout<T>::bias + 1;
  return size > T(0) ? static_cast<T>(exponent) : T(0);
}

// Not zero for what is infinite or no number.
template <class T>
inline typename Layout<T>::bits is_wild(T v) {
  using B = typename Layout<T>::bits;
  constexpr B all = 2 * Layout<T>::bias + 1;
  return static_cast<B>((__builtin_bit_cast(B, v) >> Layout<T>::mantissa & all) == all);
}

// So that codes and steps are exponents that T has, whatever stands where widths should.
template <class T>
inline T whole_width(T v) {
  const T raised = v > T(-24) ? v : T(-24);  // NaN too
  return round_half_even(raised < T(24) ? raised : T(24));
}

template <class T>
void make_grids(const T* f, const T* i, bool is_signed, int64_t n, const LearnedGrids<T>& to) {
  for (int64_t g = 0; g < n; ++g) {
    const T fraction = whole_width(f[g]), integers = whole_width(i[g]), all = integers + fraction;
    const T bits = all > T(0) ? all : T(0), codes = power_of_two(bits);
    to.scale[g] = power_of_two(fraction);
    to.step[g] = power_of_two(-fraction);
    to.bits[g] = bits;
    to.high[g] = codes - T(1);
    to.low[g] = is_signed && bits > T(0) ? -codes : T(0);
    to.top[g] = power_of_two(integers);
  }
}

template <class T>
void values(const LearnedValues<T>& p) {
  for (int f = 0; f < p.features; ++f) {
    const int g = f / p.share;
    const T *x = p.x + f * p.block->ld, scale = p.grids.scale[g], step = p.grids.step[g];
    const T low = p.grids.low[g], high = p.grids.high[g];
    T* y = p.y + f * p.block->ld;
    const int rows = p.block->rows;
    CHOP_NO_ALIAS for (int s = 0; s < rows; ++s) y[s] = clamp(round_half_even(x[s] * scale), low, high) * step;
  }
}

template <int h, class V, int... l>
inline V with_lanes_exchanged(V v, Places<l...>) {
  return v + __builtin_shufflevector(v, v, (l ^ h)...);
}

// The sum of the lanes, by halves.
template <class T>
inline T sum_of(typename VectorOf<T>::type v) {
  constexpr int lanes = VectorOf<T>::lanes;
  using All = FirstPlaces<lanes>;
  if constexpr (lanes > 8) v = with_lanes_exchanged<8>(v, All{});
  if constexpr (lanes > 4) v = with_lanes_exchanged<4>(v, All{});
  if constexpr (lanes > 2) v = with_lanes_exchanged<2>(v, All{});
  return with_lanes_exchanged<1>(v, All{})[0];
}

// A group without bits: everything is lost, and f would get it back.
template <class T>
void dead_back(const LearnedValuesBack<T>& p, const T* x, const T* g, T* dx, T* sums) {
  using V = typename VectorOf<T>::type;
  V lost{};
  for (int s = 0; s < p.forward.block->rows; s += VectorOf<T>::lanes) {
    lost += load(g + s) * load(x + s);
    if (dx) store(dx + s, V{});
  }
  sums[0] += sum_of<T>(lost);
}

template <class T>
void values_back(const LearnedValuesBack<T>& p) {
  using V = typename VectorOf<T>::type;
  const LearnedValues<T>& w = p.forward;
  for (int f = 0; f < w.features; ++f) {
    const int group = f / w.share;
    const int64_t place = f * w.block->ld;
    const T *x = w.x + place, *y = w.y + place, *g = p.g + place;
    T *dx = p.dx ? p.dx + place : nullptr, *sums = p.sums + 2 * group;
    if (w.grids.bits[group] <= T(0)) {
      dead_back(p, x, g, dx, sums);
      continue;
    }
    const T step = w.grids.step[group];
    const V low = V{} + (w.grids.low[group] - T(0.5)) * step, high = V{} + (w.grids.high[group] + T(0.5)) * step;
    V noise{}, above{}, below{};
    for (int s = 0; s < w.block->rows; s += VectorOf<T>::lanes) {
      const V value = load(x + s), rounded = load(y + s), arrived = load(g + s);
      const V over = value > high ? arrived : V{}, under = value < low ? arrived : V{};
      const V inside = arrived - over - under;
      noise += inside * (value - rounded);
      above += over;
      below += under;
      if (dx) store(dx + s, inside);
    }
    const T over = sum_of<T>(above);
    // The largest value is 2^i - 2^-f, the smallest -2^i or 0.
    sums[0] += sum_of<T>(noise) + over * step;
    sums[1] += (over - (w.grids.low[group] < T(0) ? sum_of<T>(below) : T(0))) * w.grids.top[group];
  }
}

template <class T>
inline bool round_run(const T* w, T* q, T* bits, int64_t n, T fraction) {
  const T scale = power_of_two(fraction), step = power_of_two(-fraction);
  typename Layout<T>::bits wild = 0;
  CHOP_NO_ALIAS for (int64_t e = 0; e < n; ++e) {
    const T code = round_half_even(w[e] * scale), rounded = code * step;
    q[e] = rounded;
    bits[e] = bits_of(code);
    wild |= is_wild(rounded);
  }
  return !wild;
}

template <class T>
bool weights(const LearnedWeights<T>& p) {
  bool finite = true;
  if (p.share != 1) {
    for (int64_t g = 0, at = 0; at < p.n; ++g, at += p.share)
      finite &= round_run(p.w + at, p.q + at, p.bits + at, p.share, whole_width(p.f[g]));
    return finite;
  }
  const T *f = p.f, *w = p.w;
  T *q = p.q, *bits = p.bits;
  typename Layout<T>::bits wild = 0;
  CHOP_NO_ALIAS for (int64_t e = 0; e < p.n; ++e) {
    const T fraction = whole_width(f[e]), code = round_half_even(w[e] * power_of_two(fraction));
    const T rounded = code * power_of_two(-fraction);
    q[e] = rounded;
    bits[e] = bits_of(code);
    wild |= is_wild(rounded);
  }
  return !wild;
}

template <class T>
void price(const LearnedPrice<T>& p) {
  const T* row = p.row;
  T* columns = p.columns;
  for (int64_t o = 0; o < p.outs; ++o) {
    const T* bits = p.bits + o * p.ins;
    if (p.to && p.share == 1) {
      T* to = p.to + o * p.ins;
      CHOP_NO_ALIAS for (int64_t i = 0; i < p.ins; ++i) {
        columns[i] += bits[i];
        to[i] += bits[i] > T(0) ? row[i] : T(0);
      }
      continue;
    }
    T sum = 0;
    for (int64_t i = 0; i < p.ins; ++i) {
      columns[i] += bits[i];
      sum += bits[i] > T(0) ? row[i] : T(0);
    }
    if (p.to) p.to[o * p.ins / p.share] += sum;
  }
}

template <class T>
void fractions(const T* w, const T* q, const T* g, T* to, int64_t n) {
  CHOP_NO_ALIAS for (int64_t e = 0; e < n; ++e) to[e] = T(0.69314718055994530942) * ((w[e] - q[e]) * g[e]);
}

template <class T>
constexpr LearnedKernels<T> table() {
  return {make_grids<T>, values<T>, values_back<T>, weights<T>, price<T>, fractions<T>};
}

}  // namespace

extern const LearnedKernels<float> train_learned_f32;
extern const LearnedKernels<double> train_learned_f64;
const LearnedKernels<float> train_learned_f32 = table<float>();
const LearnedKernels<double> train_learned_f64 = table<double>();

}  // namespace chop::CHOP_ISA
