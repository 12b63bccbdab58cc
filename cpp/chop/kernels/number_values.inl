// The rules for single numbers, in the type C that they are computed in. Included by *.simd.cpp only.
#pragma once

#include "chop/kernels/number_kernels.h"
#include "chop/kernels/vector.inl"

namespace chop::CHOP_ISA {
namespace {

template <class C>
struct Words;
template <>
struct Words<double> {
  using Whole = long long;
  static constexpr Whole exponent = 0x7ff0000000000000LL, sign = -0x7fffffffffffffffLL - 1;
  static constexpr double rounder = 6755399441055744.0;       // 1.5 * 2^52: no room for a fraction
  static constexpr double border = 2.0 * 0.7071067811865476;  // the double just above the root of 2
  static constexpr double magic = 1.0;
  static constexpr double doubt = 0x1p-50;  // more than a product with a rounded inverse may be off the quotient
};
template <>
struct Words<float> {
  using Whole = int;
  static constexpr Whole exponent = 0x7f800000, sign = -0x7fffffff - 1;
  static constexpr float rounder = 12582912.0f;
  static constexpr float border = 1.41421366f;  // the float just above the root of 2
  static constexpr double magic = 0x1p-29;      // of a rule's magic, which is double's
  static constexpr float doubt = 0x1p-21f;
};

template <class C>
inline C exponent_of(C v) {
  return __builtin_bit_cast(
      C, static_cast<typename Words<C>::Whole>(__builtin_bit_cast(typename Words<C>::Whole, v) & Words<C>::exponent));
}
inline float size_of(float v) { return __builtin_fabsf(v); }
inline double size_of(double v) { return __builtin_fabs(v); }
inline float with_sign(float v, float sign) { return __builtin_copysignf(v, sign); }
inline double with_sign(double v, double sign) { return __builtin_copysign(v, sign); }

// NaN passes through.
template <class C>
inline C between(C v, C low, C high) {
  const C raised = v < low ? low : v;
  return raised > high ? high : raised;
}

// Each rule reads up to four numbers.
template <class C>
struct Significant {
  using Real = C;
  static void read(const NumberRule& r, C* p) {
    p[0] = static_cast<C>(r.lowest), p[1] = static_cast<C>(r.largest);
    p[2] = static_cast<C>(r.magic * Words<C>::magic), p[3] = C(0);
  }
  static C value(C v, C lowest, C largest, C magic, C) {
    const C inside = between(v, -largest, largest);
    const C e = exponent_of(inside);
    const C shift = (e < lowest ? lowest : e) * magic;
    return with_sign((inside + shift) - shift, v);
  }
};

template <class C>
struct PowerOfTwo {
  using Real = C;
  static void read(const NumberRule& r, C* p) {
    p[0] = static_cast<C>(r.lowest), p[1] = static_cast<C>(r.largest), p[2] = p[3] = C(0);
  }
  static C value(C v, C lowest, C largest, C, C) {
    const C e = exponent_of(v);
    const C power = size_of(v) >= e * Words<C>::border ? e + e : e;
    const C signed_power = with_sign(between(power, lowest, largest), v + C(0));
    return v == v ? signed_power : v;
  }
};

template <class C>
struct Steps {
  using Real = C;
  static void read(const NumberRule& r, C* p) {
    p[0] = static_cast<C>(r.inverse), p[1] = static_cast<C>(r.step);
    p[2] = static_cast<C>(r.low), p[3] = static_cast<C>(r.high);
  }
  static C value(C v, C inverse, C step, C low, C high) {
    return ((between(v * inverse, low, high) + Words<C>::rounder) - Words<C>::rounder) * step;
  }
};

template <class C>
struct Scaled {
  using Real = C;
  static void read(const NumberRule& r, C* p) {
    p[0] = static_cast<C>(r.step), p[1] = static_cast<C>(r.low), p[2] = static_cast<C>(r.high), p[3] = C(1) / p[0];
  }
  static C value(C v, C step, C low, C high, C) {
    return ((between(v / step, low, high) + Words<C>::rounder) - Words<C>::rounder) * step;
  }
  // Whether `quick` may be used.
  static bool inverts(C inverse) { return inverse > C(0x1p-100) && inverse < C(0x1p100); }
  // The whole number of steps by a product, which takes half the time of a quotient. *doubt becomes negative where the
  // quotient may lie on the other side of a half.
  static C quick(C v, C low, C high, C inverse, typename Words<C>::Whole* doubt) {
    const C code = between(v * inverse, low, high);
    const C whole = (code + Words<C>::rounder) - Words<C>::rounder;
    const C off = size_of(code - whole) + size_of(code) * Words<C>::doubt;
    *doubt |= __builtin_bit_cast(typename Words<C>::Whole, C(0.5) - off);
    return whole;
  }
};

// Up to kNumberLanes numbers by `quick` in C; of(i): step, low, high and inverse of the i-th.
template <class C, class T, class Of>
inline void scale_quickly(const T* x, T* y, int64_t n, const Of& of) {
  T made[kNumberLanes];
  typename Words<C>::Whole doubt = 0;
  for (int64_t i = 0; i < n; ++i) {
    const C whole = Scaled<C>::quick(static_cast<C>(x[i]), static_cast<C>(of(1, i)), static_cast<C>(of(2, i)),
                                     static_cast<C>(of(3, i)), &doubt);
    made[i] = static_cast<T>(static_cast<double>(whole) * of(0, i));
  }
  if (doubt < 0) {
    CHOP_NO_ALIAS for (int64_t i = 0; i < n; ++i) y[i] =
        static_cast<T>(Scaled<double>::value(static_cast<double>(x[i]), of(0, i), of(1, i), of(2, i), 0.0));
  } else if (n == kNumberLanes) {
    __builtin_memcpy(y, made, sizeof made);  // in vectors: an unknown length would be a call
  } else {
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes) __builtin_memcpy(y + i, made + i, kLanes * sizeof(T));
    for (; i < n; ++i) y[i] = made[i];
  }
}

inline bool is_whole(double v) { return (v + Words<double>::rounder) - Words<double>::rounder == v; }

// What is read next: passes over a row are too short for the processor to see by itself where the next row lies.
template <int count, class T>
inline void fetch(const T* x) {
  constexpr int kLine = 64 / sizeof(T);
  CHOP_UNROLL for (int i = 0; i < count; i += kLine) __builtin_prefetch(x + i);
}

// All numbers by one rule `scaled`: codes in float where a float tells them, else in double.
template <class T>
inline void scale_by(const T* x, T* y, int64_t n, double step, double low, double high) {
  constexpr double kFew = 0x1p10;  // codes beyond which float is too often in doubt
  const double inverse = 1.0 / step, p[4] = {step, low, high, inverse};
  if (!Scaled<double>::inverts(inverse)) {
    CHOP_NO_ALIAS for (int64_t i = 0; i < n; ++i) y[i] =
        static_cast<T>(Scaled<double>::value(static_cast<double>(x[i]), step, low, high, 0.0));
    return;
  }
  const bool few = sizeof(T) == sizeof(float) && low >= -kFew && high <= kFew && is_whole(low) && is_whole(high);
  for (int64_t i = 0; i < n; i += kNumberLanes) {
    const int64_t count = n - i < kNumberLanes ? n - i : kNumberLanes;
    const auto of = [&](int k, int64_t) { return p[k]; };
    fetch<kNumberLanes>(x + i + n);
    if (few) {
      scale_quickly<float>(x + i, y + i, count, of);
    } else {
      scale_quickly<double>(x + i, y + i, count, of);
    }
  }
}

template <class C>
struct TwoValues {
  using Real = C;
  static void read(const NumberRule& r, C* p) {
    p[0] = static_cast<C>(r.threshold), p[1] = static_cast<C>(r.low), p[2] = static_cast<C>(r.high), p[3] = C(0);
  }
  static C value(C v, C threshold, C low, C high, C) { return v >= threshold ? high : low; }
};

template <class C>
struct ThreeValues {
  using Real = C;
  static void read(const NumberRule& r, C* p) {
    p[0] = static_cast<C>(r.threshold), p[1] = static_cast<C>(r.high), p[2] = p[3] = C(0);
  }
  static C value(C v, C threshold, C high, C, C) {
    const C value = v < C(0) ? -high : high;
    return size_of(v) > threshold ? value : C(0);
  }
};

// Calls run with the rule of a kind, computed in C.
template <class C, class Run>
inline void with_rule(RuleKind kind, const Run& run) {
  switch (kind) {
    case RuleKind::significant: return run(Significant<C>{});
    case RuleKind::power_of_two: return run(PowerOfTwo<C>{});
    case RuleKind::steps: return run(Steps<C>{});
    case RuleKind::scaled: return run(Scaled<C>{});
    case RuleKind::two_values: return run(TwoValues<C>{});
    case RuleKind::three_values: return run(ThreeValues<C>{});
  }
}

// The same for numbers of T: in float where that gives the same values, else in double.
template <class T, class Run>
inline void with_rule(RuleKind kind, bool narrow, const Run& run) {
  if constexpr (sizeof(T) == sizeof(float)) {
    if (narrow) return with_rule<float>(kind, run);
  }
  with_rule<double>(kind, run);
}

}  // namespace
}  // namespace chop::CHOP_ISA
