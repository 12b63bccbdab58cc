#include "chop/kernels/number_values.inl"

namespace chop::CHOP_ISA {
namespace {

constexpr int kSums = 8;
template <class T>
struct Sums;
template <>
struct Sums<float> {
  typedef float type __attribute__((vector_size(kSums * 4)));
};
template <>
struct Sums<double> {
  typedef double type __attribute__((vector_size(kSums * 8)));
};
typedef long long Counts __attribute__((vector_size(kSums * 8)));

template <class T>
void scale(const T* x, T* y, int64_t n, const NumberRule& rule) {
  double p[4];
  Scaled<double>::read(rule, p);
  for (int64_t i = 0; i < n; i += kNumberLanes) {
    const int64_t count = n - i < kNumberLanes ? n - i : kNumberLanes;
    scale_quickly<double>(x + i, y + i, count, [&](int k, int64_t) { return p[k]; });
  }
}

template <class T>
void apply(const T* x, T* y, int64_t n, const NumberRule& rule) {
  if (rule.kind == RuleKind::scaled && Scaled<double>::inverts(1.0 / rule.step)) return scale(x, y, n, rule);
  with_rule<T>(rule.kind, rule.narrow, [=](auto each) {
    using Rule = decltype(each);
    using C = typename Rule::Real;
    C p[4];
    Rule::read(rule, p);
    const C a = p[0], b = p[1], c = p[2], d = p[3];
    CHOP_NO_ALIAS for (int64_t i = 0; i < n; ++i) y[i] = static_cast<T>(Rule::value(static_cast<C>(x[i]), a, b, c, d));
  });
}

template <class T>
void ends(const T* x, int64_t n, unsigned needs, BlockFacts* facts) {
  using V = typename Sums<T>::type;
  V high = {}, low = {};
  int64_t i = 0;
  for (; i + kSums <= n; i += kSums) {
    V v;
    __builtin_memcpy(&v, x + i, sizeof v);
    high = v > high ? v : high;
    low = v < low ? v : low;
  }
  T most = T(0), least = T(0);
  for (; i < n; ++i) {
    most = x[i] > most ? x[i] : most;
    least = x[i] < least ? x[i] : least;
  }
  for (int k = 0; k < kSums; ++k) {
    most = high[k] > most ? high[k] : most;
    least = low[k] < least ? low[k] : least;
  }
  const double above = static_cast<double>(most), below = static_cast<double>(least);
  if (needs & kEnds) {
    facts->low = below < facts->low ? below : facts->low;
    facts->high = above > facts->high ? above : facts->high;
  }
  if (needs & kLargest) {
    const double largest = above > -below ? above : -below;
    facts->largest = largest > facts->largest ? largest : facts->largest;
  }
}

// In lanes, so that the order of additions is the same on every instruction set.
template <class T, bool counted>
void add_above(const T* x, int64_t n, double threshold, double* sum, int64_t* count) {
  using V = typename Sums<double>::type;
  V lane = {};
  Counts hits = {};
  int64_t i = 0;
  for (; i + kSums <= n; i += kSums) {
    typename Sums<T>::type given;
    __builtin_memcpy(&given, x + i, sizeof given);
    V v = __builtin_convertvector(given, V);
    v = v < 0.0 ? -v : v;
    const Counts counts = v > threshold;
    lane += counts ? v : V{};
    if (counted) hits -= counts;
  }
  for (int k = 0; i + k < n; ++k) {
    const double v = __builtin_fabs(static_cast<double>(x[i + k]));
    const bool counts = v > threshold;
    lane[k] += counts ? v : 0.0;
    hits[k] += counts;
  }
  for (int k = 0; k < kSums; ++k) {
    *sum += lane[k];
    *count += hits[k];
  }
}

template <class T>
void sum_above(const T* x, int64_t n, double threshold, double* sum, int64_t* count) {
  add_above<T, true>(x, n, threshold, sum, count);
}

template <class T>
void look(const T* x, int64_t n, unsigned needs, BlockFacts* facts) {
  if (needs & (kLargest | kEnds)) ends(x, n, needs, facts);
  int64_t above = 0;
  if (needs & kMean) add_above<T, false>(x, n, 0.0, &facts->sum, &above);
  facts->count += n;
}

}  // namespace

extern const NumberTable numbers;
const NumberTable numbers = {{apply<float>, look<float>, sum_above<float>},
                             {apply<double>, look<double>, sum_above<double>}};

}  // namespace chop::CHOP_ISA
