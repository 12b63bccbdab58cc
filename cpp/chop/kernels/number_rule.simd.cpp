#include "chop/kernels/number_kernels.h"

namespace chop::CHOP_ISA {
namespace {

constexpr long long kExponent = 0x7ff0000000000000LL;
constexpr double kRounder = 6755399441055744.0;       // 1.5 * 2^52: no room for a fraction
constexpr double kBorder = 2.0 * 0.7071067811865476;  // the double just above the root of 2
constexpr int kLanes = 8;

inline double exponent_of(double v) { return __builtin_bit_cast(double, __builtin_bit_cast(long long, v) & kExponent); }
// NaN passes through.
inline double between(double v, double low, double high) {
  const double raised = v < low ? low : v;
  return raised > high ? high : raised;
}

template <class T>
void significant(const T* __restrict x, T* __restrict y, int64_t n, const NumberRule& r) {
  const double lowest = r.lowest, largest = r.largest, magic = r.magic;
  for (int64_t i = 0; i < n; ++i) {
    const double v = static_cast<double>(x[i]);
    const double inside = between(v, -largest, largest);
    const double e = exponent_of(inside);
    const double shift = (e < lowest ? lowest : e) * magic;
    y[i] = static_cast<T>(__builtin_copysign((inside + shift) - shift, v));
  }
}

template <class T>
void power_of_two(const T* __restrict x, T* __restrict y, int64_t n, const NumberRule& r) {
  const double lowest = r.lowest, largest = r.largest;
  for (int64_t i = 0; i < n; ++i) {
    const double v = static_cast<double>(x[i]);
    const double magnitude = __builtin_fabs(v);
    const double e = exponent_of(v);
    const double power = magnitude >= e * kBorder ? e + e : e;
    const double signed_power = __builtin_copysign(between(power, lowest, largest), v + 0.0);
    y[i] = static_cast<T>(v == v ? signed_power : v);
  }
}

template <class T>
void steps(const T* __restrict x, T* __restrict y, int64_t n, const NumberRule& r) {
  const double inverse = r.inverse, step = r.step, low = r.low, high = r.high;
  for (int64_t i = 0; i < n; ++i) {
    const double v = between(static_cast<double>(x[i]) * inverse, low, high);
    y[i] = static_cast<T>(((v + kRounder) - kRounder) * step);
  }
}

template <class T>
void scaled(const T* __restrict x, T* __restrict y, int64_t n, const NumberRule& r) {
  const double step = r.step, low = r.low, high = r.high;
  for (int64_t i = 0; i < n; ++i) {
    const double v = between(static_cast<double>(x[i]) / step, low, high);
    y[i] = static_cast<T>(((v + kRounder) - kRounder) * step);
  }
}

template <class T>
void two_values(const T* __restrict x, T* __restrict y, int64_t n, const NumberRule& r) {
  const double threshold = r.threshold;
  const T low = static_cast<T>(r.low), high = static_cast<T>(r.high);
  for (int64_t i = 0; i < n; ++i) y[i] = static_cast<double>(x[i]) >= threshold ? high : low;
}

template <class T>
void three_values(const T* __restrict x, T* __restrict y, int64_t n, const NumberRule& r) {
  const double threshold = r.threshold;
  const T high = static_cast<T>(r.high);
  for (int64_t i = 0; i < n; ++i) {
    const double v = static_cast<double>(x[i]);
    const T value = v < 0.0 ? -high : high;
    y[i] = __builtin_fabs(v) > threshold ? value : T(0);
  }
}

template <class T>
void apply(const T* x, T* y, int64_t n, const NumberRule& rule) {
  switch (rule.kind) {
    case RuleKind::significant: return significant(x, y, n, rule);
    case RuleKind::power_of_two: return power_of_two(x, y, n, rule);
    case RuleKind::steps: return steps(x, y, n, rule);
    case RuleKind::scaled: return scaled(x, y, n, rule);
    case RuleKind::two_values: return two_values(x, y, n, rule);
    case RuleKind::three_values: return three_values(x, y, n, rule);
  }
}

template <class T>
void largest(const T* x, int64_t n, BlockFacts* facts) {
  T lane[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int k = 0; k < kLanes; ++k) {
      const T v = x[i + k] < T(0) ? -x[i + k] : x[i + k];
      lane[k] = v > lane[k] ? v : lane[k];
    }
  T most = T(0);
  for (; i < n; ++i) {
    const T v = x[i] < T(0) ? -x[i] : x[i];
    most = v > most ? v : most;
  }
  for (const T each : lane) most = each > most ? each : most;
  facts->largest = static_cast<double>(most) > facts->largest ? static_cast<double>(most) : facts->largest;
}

template <class T>
void ends(const T* x, int64_t n, BlockFacts* facts) {
  T low = static_cast<T>(facts->low), high = static_cast<T>(facts->high);
  for (int64_t i = 0; i < n; ++i) {
    low = x[i] < low ? x[i] : low;
    high = x[i] > high ? x[i] : high;
  }
  facts->low = static_cast<double>(low);
  facts->high = static_cast<double>(high);
}

// In lanes, so that the order of additions is the same on every instruction set.
template <class T>
void sum_above(const T* x, int64_t n, double threshold, double* sum, int64_t* count) {
  double lane[kLanes] = {};
  int64_t found = 0;
  for (int64_t i = 0; i < n; i += kLanes) {
    const int part = n - i < kLanes ? static_cast<int>(n - i) : kLanes;
    for (int k = 0; k < part; ++k) {
      const double v = __builtin_fabs(static_cast<double>(x[i + k]));
      const bool counts = v > threshold;
      lane[k] += counts ? v : 0.0;
      found += counts;
    }
  }
  for (const double each : lane) *sum += each;
  *count += found;
}

template <class T>
void look(const T* x, int64_t n, unsigned needs, BlockFacts* facts) {
  if (needs & kLargest) largest(x, n, facts);
  if (needs & kEnds) ends(x, n, facts);
  int64_t above = 0;
  if (needs & kMean) sum_above(x, n, 0.0, &facts->sum, &above);
  facts->count += n;
}

}  // namespace

extern const NumberTable numbers;
const NumberTable numbers = {{apply<float>, look<float>, sum_above<float>},
                             {apply<double>, look<double>, sum_above<double>}};

}  // namespace chop::CHOP_ISA
