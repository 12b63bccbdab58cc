#include "chop/kernels/number_values.inl"

namespace chop::CHOP_ISA {
namespace {

typedef VectorOf<float>::type Floats;

// NaN becomes 0.
inline Floats size_of(Floats v) { return larger_of(v < 0.0f ? -v : v, Floats{}); }

inline float largest_lane(Floats v) {
#if defined(__AVX512F__)
  const __m256 half = _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
#elif defined(__AVX__)
  const __m256 half = v;
#endif
#if defined(__AVX__)
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
#elif defined(__SSE2__)
  const __m128 four = v;
#endif
#if defined(__SSE2__)
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
#else
  float most = 0.0f;
  for (int k = 0; k < kLanes; ++k) most = v[k] > most ? v[k] : most;
  return most;
#endif
}

// Of some vectors at once, so that they need not wait for each other; the last ones may look twice at a number.
inline float largest_in(const float* x, int64_t n) {
  constexpr int kAtOnce = 4;
  if (n < kLanes) {
    float most = 0.0f;
    for (int64_t i = 0; i < n; ++i) most = size_of(x[i]) > most ? size_of(x[i]) : most;
    return most;
  }
  Floats most = size_of(load(x + n - kLanes));
  int64_t i = 0;
  if (n >= kAtOnce * kLanes) {
    Floats each[kAtOnce] = {};
    for (; i + kAtOnce * kLanes <= n; i += kAtOnce * kLanes)
      for (int k = 0; k < kAtOnce; ++k) each[k] = larger_of(size_of(load(x + i + k * kLanes)), each[k]);
    most = larger_of(most, larger_of(larger_of(each[0], each[1]), larger_of(each[2], each[3])));
  }
  for (; i + kLanes < n; i += kLanes) most = larger_of(size_of(load(x + i)), most);
  return largest_lane(most);
}

template <class C>
inline const C* numbers_of(const ExponentRules& rules, int row) {
  if constexpr (sizeof(C) == sizeof(float)) {
    return rules.narrow[row];
  } else {
    return rules.wide[row];
  }
}

// A block's largest number decides its rule while the block is in the nearest cache. Blocks of a whole number of
// vectors need no loop's beginning and end.
template <class Rule, int multiple>
inline int64_t rows_of_rule(const float* x, float* y, int64_t count, int64_t size, const ExponentRules& rules,
                            ExponentRules::Form form, int* row) {
  using C = typename Rule::Real;
  size = size / multiple * multiple;
  for (int64_t b = 0; b < count; ++b) {
    const float* from = x + b * size;
    float* to = y + b * size;
    const int at = ExponentRules::row_of(largest_in(from, size));
    if (rules.form[at] != form) {
      *row = at;
      return b;
    }
    const C* p = numbers_of<C>(rules, at);
    const C p0 = p[0], p1 = p[1], p2 = p[2], p3 = p[3];
    CHOP_NO_ALIAS for (int64_t i = 0; i < size; ++i) to[i] =
        static_cast<float>(Rule::value(static_cast<C>(from[i]), p0, p1, p2, p3));
  }
  return count;
}

int64_t rows_by_exponent(const float* x, float* y, int64_t count, int64_t size, const ExponentRules& rules,
                         ExponentRules::Form form, int* row) {
  int64_t done = 0;
  with_rule<float>(rules.kind, form == ExponentRules::kNarrow, [=, &rules, &done](auto each) {
    using Rule = decltype(each);
    done = size % kLanes ? rows_of_rule<Rule, 1>(x, y, count, size, rules, form, row)
                         : rows_of_rule<Rule, kLanes>(x, y, count, size, rules, form, row);
  });
  return done;
}

void read_rule(const NumberRule& rule, int row, ExponentRules* rules) {
  with_rule<float>(rule.kind, [=, &rule](auto each) { decltype(each)::read(rule, rules->narrow[row]); });
  with_rule<double>(rule.kind, [=, &rule](auto each) { decltype(each)::read(rule, rules->wide[row]); });
}

void scale_rows(const float* x, float* y, int64_t count, int64_t size, double part) {
  for (int64_t b = 0; b < count; ++b) {
    const double step = static_cast<double>(largest_in(x + b * size, size)) / part;
    scale_by(x + b * size, y + b * size, size, step > 0.0 ? step : 1.0, -part, part);
  }
}

void look_across(const float* x, int64_t rows, int64_t stride, int lanes, float* most, float* low, float* high) {
  for (int64_t r = 0; r < rows; ++r) {
    const float* from = x + r * stride;
    CHOP_NO_ALIAS for (int l = 0; l < lanes; ++l) {
      const float size = size_of(from[l]);
      most[l] = size > most[l] ? size : most[l];
    }
    if (!low) continue;
    CHOP_NO_ALIAS for (int l = 0; l < lanes; ++l) {
      low[l] = from[l] < low[l] ? from[l] : low[l];
      high[l] = from[l] > high[l] ? from[l] : high[l];
    }
  }
}

void apply_across(const float* x, float* y, int64_t rows, int64_t stride, int lanes, const NumberRule* const* rules,
                  bool narrow) {
  with_rule<float>(rules[0]->kind, narrow, [=](auto each) {
    using Rule = decltype(each);
    using C = typename Rule::Real;
    C a[kNumberLanes], b[kNumberLanes], c[kNumberLanes], d[kNumberLanes];
    for (int l = 0; l < lanes; ++l) {
      C p[4];
      Rule::read(*rules[l], p);
      a[l] = p[0], b[l] = p[1], c[l] = p[2], d[l] = p[3];
    }
    for (int64_t r = 0; r < rows; ++r) {
      const float* from = x + r * stride;
      float* to = y + r * stride;
      CHOP_NO_ALIAS for (int l = 0; l < lanes; ++l) to[l] =
          static_cast<float>(Rule::value(static_cast<C>(from[l]), a[l], b[l], c[l], d[l]));
    }
  });
}

void scale_across(const float* x, float* y, int64_t rows, int64_t stride, int lanes, const float* most, double part) {
  double p[4][kNumberLanes];
  int64_t wrong = 0;
  for (int l = 0; l < lanes; ++l) {
    const double step = static_cast<double>(most[l]) / part;
    p[0][l] = step > 0.0 ? step : 1.0;
    p[1][l] = -part, p[2][l] = part;
    p[3][l] = 1.0 / p[0][l];
    wrong |= !Scaled<double>::inverts(p[3][l]);
  }
  for (int64_t r = 0; r < rows; ++r) {
    const float* from = x + r * stride;
    float* to = y + r * stride;
    if (!wrong) {
      scale_quickly<double>(from, to, lanes, [&](int k, int64_t l) { return p[k][l]; });
    } else {
      CHOP_NO_ALIAS for (int l = 0; l < lanes; ++l) to[l] =
          static_cast<float>(Scaled<double>::value(static_cast<double>(from[l]), p[0][l], p[1][l], p[2][l], 0.0));
    }
  }
}

}  // namespace

extern const NumberBlockKernels number_blocks;
const NumberBlockKernels number_blocks = {read_rule,   rows_by_exponent, scale_rows,
                                          look_across, apply_across,     scale_across};

}  // namespace chop::CHOP_ISA
