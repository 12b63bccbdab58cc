// Sums, bounds and squares of columns. Sums are in double; the numbers of a tile stay in registers down the rows.
#include "chop/kernels/simd_tables.h"
// clang-format off: after the tables
#include "chop/kernels/vector.inl"
// clang-format on

namespace chop::CHOP_ISA {
namespace {

template <class T>
struct Bits;
template <>
struct Bits<float> {
  typedef int type __attribute__((vector_size(kLanes * 4)));
  static constexpr int magnitude = 0x7fffffff;
};
template <>
struct Bits<double> {
  typedef long long type __attribute__((vector_size(kLanes * 4)));
  static constexpr long long magnitude = 0x7fffffffffffffff;
};

using Wide = VectorOf<double>::type;
inline constexpr int kWide = kLanes / 2;

// As many numbers as one vector of doubles holds.
inline Wide load_wide(const float* p) {
  VectorOf<double>::floats half;
  __builtin_memcpy(&half, p, sizeof half);
  return widened<Wide>(half);
}
inline Wide load_wide(const double* p) { return load(p); }

template <class T, bool abs, class V>
inline V magnitude(V v) {
  if constexpr (abs) {
    using B = typename Bits<T>::type;
    return reinterpret_cast<V>(reinterpret_cast<B>(v) & Bits<T>::magnitude);
  }
  return v;
}

template <class T, bool abs>
void tile_sums(const T* x, int64_t rows, int64_t stride, double* sum, T* low, T* high) {
  using V = typename VectorOf<T>::type;
  constexpr int lanes = VectorOf<T>::lanes;
  constexpr int part = 32 / (sizeof(T) / 4);  // half a tile of doubles: 16 registers would not do
  for (int c = 0; c < kMomentTile; c += part) {
    Wide s[part / kWide];
    V lo[part / lanes], hi[part / lanes];
    CHOP_UNROLL for (int i = 0; i < part / kWide; ++i) s[i] = Wide{};
    CHOP_UNROLL for (int i = 0; i < part / lanes; ++i) lo[i] = hi[i] = magnitude<T, abs>(load(x + c + i * lanes));
    for (int64_t r = 0; r < rows; ++r) {
      const T* row = x + r * stride + c;
      CHOP_UNROLL for (int i = 0; i < part / kWide; ++i) s[i] += magnitude<double, abs>(load_wide(row + i * kWide));
      CHOP_UNROLL for (int i = 0; i < part / lanes; ++i) {
        const V v = magnitude<T, abs>(load(row + i * lanes));
        lo[i] = v < lo[i] ? v : lo[i];
        hi[i] = v > hi[i] ? v : hi[i];
      }
    }
    CHOP_UNROLL for (int i = 0; i < part / kWide; ++i) store(sum + c + i * kWide, s[i]);
    CHOP_UNROLL for (int i = 0; i < part / lanes; ++i) store(low + c + i * lanes, lo[i]);
    CHOP_UNROLL for (int i = 0; i < part / lanes; ++i) store(high + c + i * lanes, hi[i]);
  }
}

template <class T, bool abs>
void tile_squares(const T* x, int64_t rows, int64_t stride, const double* mean, double* rest, double* squares) {
  constexpr int part = 16;
  for (int c = 0; c < kMomentTile; c += part) {
    Wide m[part / kWide], s[part / kWide], d1[part / kWide];
    CHOP_UNROLL for (int i = 0; i < part / kWide; ++i) m[i] = load(mean + c + i * kWide);
    CHOP_UNROLL for (int i = 0; i < part / kWide; ++i) s[i] = d1[i] = Wide{};
    for (int64_t r = 0; r < rows; ++r) {
      const T* row = x + r * stride + c;
      CHOP_UNROLL for (int i = 0; i < part / kWide; ++i) {
        const Wide d = magnitude<double, abs>(load_wide(row + i * kWide)) - m[i];
        d1[i] += d;
        s[i] += d * d;
      }
    }
    CHOP_UNROLL for (int i = 0; i < part / kWide; ++i) store(squares + c + i * kWide, s[i]);
    CHOP_UNROLL for (int i = 0; i < part / kWide; ++i) store(rest + c + i * kWide, d1[i]);
  }
}

template <class T>
void sums(const T* x, int64_t rows, int64_t stride, int64_t width, bool abs, double* sum, T* low, T* high) {
  for (int64_t c = 0; c < width; c += kMomentTile)
    (abs ? tile_sums<T, true> : tile_sums<T, false>)(x + c, rows, stride, sum + c, low + c, high + c);
}

template <class T>
void squares(const T* x, int64_t rows, int64_t stride, int64_t width, bool abs, const double* mean, double* rest,
             double* result) {
  for (int64_t c = 0; c < width; c += kMomentTile)
    (abs ? tile_squares<T, true> : tile_squares<T, false>)(x + c, rows, stride, mean + c, rest + c, result + c);
}

}  // namespace

extern const MomentKernels<float> moments_f32;
extern const MomentKernels<double> moments_f64;
const MomentKernels<float> moments_f32 = {sums<float>, squares<float>};
const MomentKernels<double> moments_f64 = {sums<double>, squares<double>};

}  // namespace chop::CHOP_ISA
