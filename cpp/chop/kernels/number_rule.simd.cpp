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

inline Sums<double>::type sizes_of(const double* x) {
  Counts bits;
  __builtin_memcpy(&bits, x, sizeof bits);
  return reinterpret_cast<Sums<double>::type>(bits & ~Words<double>::sign);
}

inline Sums<double>::type sizes_of(const float* x) {
  typedef int Bits __attribute__((vector_size(kSums * 4)));
  Bits bits;
  __builtin_memcpy(&bits, x, sizeof bits);
  const auto sizes = reinterpret_cast<Sums<float>::type>(bits & ~Words<float>::sign);
  return widened<Sums<double>::type>(sizes);
}

template <class T>
void apply(const T* x, T* y, int64_t n, const NumberRule& rule) {
  if (rule.kind == RuleKind::scaled) return scale_by(x, y, n, rule.step, rule.low, rule.high);
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

// Number i of n is added in lane i % 32, so that the order of additions is the same on every instruction set, and
// additions need not wait for each other.
template <class T, bool counted>
void add_above(const T* x, int64_t n, double threshold, double* sum, int64_t* count) {
  using V = typename Sums<double>::type;
  constexpr int kAtOnce = 4;
  V quick[kAtOnce] = {}, lanes[kAtOnce];
  Counts counts[kAtOnce] = {}, hits[kAtOnce];
  const auto add = [&](const T* from, V* lane, Counts* hit) {
    const V v = sizes_of(from);
    const Counts above = v > threshold;
    *lane += above ? v : V{};
    if (counted) *hit -= above;
  };
  int64_t i = 0;
  for (; i + kAtOnce * kSums <= n; i += kAtOnce * kSums) {
    if (counted) fetch<kAtOnce * kSums>(x + i + n);
    CHOP_UNROLL for (int k = 0; k < kAtOnce; ++k) add(x + i + k * kSums, &quick[k], &counts[k]);
  }
  for (int k = 0; k < kAtOnce; ++k) lanes[k] = quick[k], hits[k] = counts[k];
  int last = 0;
  for (; i + kSums <= n; i += kSums, ++last) add(x + i, &lanes[last], &hits[last]);
  if (i < n) {
    T rest[kSums] = {};
    for (int k = 0; i + k < n; ++k) rest[k] = x[i + k];
    add(rest, &lanes[last], &hits[last]);
    if (counted && threshold < 0.0)
      for (int k = static_cast<int>(n - i); k < kSums; ++k) --hits[last][k];
  }
  const V lane = (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
  const Counts hit = (hits[0] + hits[1]) + (hits[2] + hits[3]);
  for (int k = 0; k < kSums; ++k) {
    *sum += lane[k];
    *count += hit[k];
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
