// Counts around a window of values and collects what lies inside it: one step of a selection.
#include "chop/kernels/simd_tables.h"
// clang-format off: after the tables
#include "chop/kernels/vector.inl"
// clang-format on

namespace chop::CHOP_ISA {
namespace {

template <class T>
struct Index;
template <>
struct Index<float> {
  using type = int;
};
template <>
struct Index<double> {
  using type = long long;
};

// NaN compares false, with itself too, so it is counted nowhere. n stays below 2^31.
template <class T>
int64_t window(const T* x, int64_t n, T low, T high, WindowCounts* counts, T* inside) {
  using V = typename VectorOf<T>::type;
  using I = typename Index<T>::type;
  typedef I B __attribute__((vector_size(kLanes * 4)));
  constexpr int lanes = VectorOf<T>::lanes;
  constexpr int vectors = 4;
  B below{}, to_low{}, to_high{}, numbers{};  // true is -1
  int64_t found = 0, i = 0;
  for (; i + lanes * vectors <= n; i += lanes * vectors) {
    B within[vectors], some{};
    CHOP_UNROLL for (int k = 0; k < vectors; ++k) {
      const V v = load(x + i + k * lanes);
      below -= v < low;
      to_low -= v <= low;
      to_high -= v <= high;
      numbers -= v == v;
      within[k] = (v > low) & (v < high);
      some |= within[k];
    }
    I any = 0;
    CHOP_UNROLL for (int l = 0; l < lanes; ++l) any |= some[l];
    if (any == 0) continue;
    I taken[lanes * vectors];
    __builtin_memcpy(taken, within, sizeof taken);
    for (int j = 0; j < lanes * vectors; ++j) {
      inside[found] = x[i + j];  // a slot that the next one overwrites unless this one counts
      found -= taken[j];
    }
  }
  for (int l = 0; l < lanes; ++l) {
    counts->below += below[l];
    counts->to_low += to_low[l];
    counts->to_high += to_high[l];
    counts->numbers += numbers[l];
  }
  for (; i < n; ++i) {
    counts->below += x[i] < low;
    counts->to_low += x[i] <= low;
    counts->to_high += x[i] <= high;
    counts->numbers += x[i] == x[i];
    inside[found] = x[i];
    found += (x[i] > low) & (x[i] < high);
  }
  return found;
}

}  // namespace

extern const WindowKernels windows;
const WindowKernels windows = {window<float>, window<double>};

}  // namespace chop::CHOP_ISA
