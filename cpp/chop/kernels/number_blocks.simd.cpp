#include "chop/kernels/number_values.inl"

namespace chop::CHOP_ISA {
namespace {

constexpr int kWide = 16;
typedef float Wide __attribute__((vector_size(kWide * 4)));

// The larger ones of lanes that are `apart`.
template <int apart>
inline void fold(Wide* v) {
  const Wide other = __builtin_shufflevector(*v, *v, 0 ^ apart, 1 ^ apart, 2 ^ apart, 3 ^ apart, 4 ^ apart, 5 ^ apart,
                                             6 ^ apart, 7 ^ apart, 8 ^ apart, 9 ^ apart, 10 ^ apart, 11 ^ apart,
                                             12 ^ apart, 13 ^ apart, 14 ^ apart, 15 ^ apart);
  *v = other > *v ? other : *v;
}

inline float largest_in(const float* x, int64_t n) {
  float most = 0.0f;
  int64_t i = 0;
  if (n >= kWide) {
    Wide lane = {};
    for (; i + kWide <= n; i += kWide) {
      Wide v;
      __builtin_memcpy(&v, x + i, sizeof v);
      const Wide size = v < 0.0f ? -v : v;
      lane = size > lane ? size : lane;
    }
    fold<8>(&lane);
    fold<4>(&lane);
    fold<2>(&lane);
    fold<1>(&lane);
    most = lane[0];
  }
  for (; i < n; ++i) {
    const float size = size_of(x[i]);
    most = size > most ? size : most;
  }
  return most;
}

void largest_of(const float* x, int64_t count, int64_t size, float* most) {
  for (int64_t b = 0; b < count; ++b) most[b] = largest_in(x + b * size, size);
}

// Blocks of a whole number of vectors need no loop's beginning and end.
template <class Rule, int fixed>
inline void one_after_another(const float* x, float* y, int64_t count, int64_t size, const NumberRule* const* rules) {
  using C = typename Rule::Real;
  if (fixed) size = fixed;
  for (int64_t b = 0; b < count; ++b) {
    C p[4];
    Rule::read(*rules[b], p);
    const float* from = x + b * size;
    float* to = y + b * size;
    CHOP_NO_ALIAS for (int64_t i = 0; i < size; ++i) to[i] =
        static_cast<float>(Rule::value(static_cast<C>(from[i]), p[0], p[1], p[2], p[3]));
  }
}

void apply_each(const float* x, float* y, int64_t count, int64_t size, const NumberRule* const* rules, bool narrow) {
  with_rule<float>(rules[0]->kind, narrow, [=](auto each) {
    using Rule = decltype(each);
    if (size == 16) return one_after_another<Rule, 16>(x, y, count, size, rules);
    if (size == 32) return one_after_another<Rule, 32>(x, y, count, size, rules);
    one_after_another<Rule, 0>(x, y, count, size, rules);
  });
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
const NumberBlockKernels number_blocks = {largest_of, apply_each, look_across, apply_across, scale_across};

}  // namespace chop::CHOP_ISA
