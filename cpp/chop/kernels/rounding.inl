// Rounding, and bringing codes into range: the scalar bodies that the compiler turns into vector loops. Included by
// *.simd.cpp only.
#pragma once

namespace chop::CHOP_ISA {
namespace {

#if defined(__SSE4_1__) || defined(__aarch64__)
inline float round_half_even(float v) { return __builtin_rintf(v); }
inline double round_half_even(double v) { return __builtin_rint(v); }
inline float round_down(float v) { return __builtin_floorf(v); }
inline double round_down(double v) { return __builtin_floor(v); }
#else
// Without a rounding instruction rint is a library call. Adding 2^23 leaves no room for a fraction; larger numbers
// have none to begin with. copysign keeps -0.0.
inline float round_half_even(float v) {
  const float magic = __builtin_copysignf(8388608.0f, v);
  const float rounded = __builtin_copysignf((v + magic) - magic, v);
  return __builtin_fabsf(v) < 8388608.0f ? rounded : v;
}
inline double round_half_even(double v) {
  const double magic = __builtin_copysign(4503599627370496.0, v);
  const double rounded = __builtin_copysign((v + magic) - magic, v);
  return __builtin_fabs(v) < 4503599627370496.0 ? rounded : v;
}
template <class T>
inline T round_down(T v) {
  const T nearest = round_half_even(v);
  return nearest - (nearest > v ? T(1) : T(0));
}
#endif

// One more than round_down where v lies at least `part` above it. The distance is exact, or rounds from just below 1 to
// 1; v + 0.5 would round where it matters.
template <class T>
inline T round_up_from(T v, T part) {
  const T below = round_down(v);
  return below + (v - below >= part ? T(1) : T(0));
}

// The code of x before its range is looked at; v is x times the inverse step.
template <RoundingMode mode, class T>
inline T round_code(T x, T v) {
  if constexpr (mode == RoundingMode::half_even) return round_half_even(v);
  if constexpr (mode == RoundingMode::half_up) return round_up_from(v, T(0.5));
  // x may be so small that v became -0.0.
  const T below = round_down(v);
  return x < T(0) && below > T(-1) ? T(-1) : below;
}

// NaN compares false and so passes through.
template <class T>
inline T clamp(T v, T lo, T hi) {
  const T raised = v < lo ? lo : v;
  return raised > hi ? hi : raised;
}

template <class T>
struct CodeRange {
  T lo, hi, modulus, inverse_modulus;
  T part;  // of the modulus from which codes belong to the next turn: signed ones from a half on, unsigned ones never
};

template <class T, class Grid>
inline CodeRange<T> code_range(const Grid& g) {
  return {g.qmin, g.qmax, g.modulus, T(1) / g.modulus, g.qmin < T(0) ? T(0.5) : T(2)};
}

// Every step of wrapping is exact but the last, which is exact unless the result does not fit T: the modulus is a power
// of two, and the remainder is a multiple of the code's last bit and, if signed, no larger than the code.
template <OverflowMode mode, class T>
inline T into_range(T code, T x, T v, const CodeRange<T>& range) {
  if constexpr (mode == OverflowMode::saturate) return clamp(code, range.lo, range.hi);
  const T turns = round_up_from(code * range.inverse_modulus, range.part);
  const T wrapped = code - turns * range.modulus;
  // A finite x whose v is too large for T is a multiple of the modulus; an infinite one gives NaN.
  return __builtin_fabs(v) == T(__builtin_inf()) ? x - x : wrapped;
}

template <RoundingMode rounding_, OverflowMode overflow_>
struct Modes {
  static constexpr RoundingMode rounding = rounding_;
  static constexpr OverflowMode overflow = overflow_;
};

// Calls action(Modes<...>{}) for the modes of a grid: one choice a call, none an element.
template <class Grid, class Action>
inline auto with_modes(const Grid& grid, const Action& action) {
  constexpr auto saturate = OverflowMode::saturate, wrap = OverflowMode::wrap;
  const bool wraps = grid.overflow == wrap;
  switch (grid.rounding) {
    case RoundingMode::floor:
      return wraps ? action(Modes<RoundingMode::floor, wrap>{}) : action(Modes<RoundingMode::floor, saturate>{});
    case RoundingMode::half_up:
      return wraps ? action(Modes<RoundingMode::half_up, wrap>{}) : action(Modes<RoundingMode::half_up, saturate>{});
    case RoundingMode::half_even: break;
  }
  return wraps ? action(Modes<RoundingMode::half_even, wrap>{}) : action(Modes<RoundingMode::half_even, saturate>{});
}

#if defined(__FMA__) || defined(__aarch64__)
inline float fused_multiply_add(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
#else
// The product is exact in double. The sum is rounded to odd there (its last bit tells whether anything was lost), so
// that the cast to float rounds once. Infinities and NaN make the error NaN, which compares false.
inline float fused_multiply_add(float a, float b, float c) {
  const double product = static_cast<double>(a) * static_cast<double>(b);
  const double addend = static_cast<double>(c);
  const double sum = product + addend;
  const double back = sum - product;
  const double error = (product - (sum - back)) + (addend - back);
  long long bits = __builtin_bit_cast(long long, sum);
  const bool inexact = error < 0.0 || error > 0.0;
  // Toward zero when the error points there, then the last bit is set: that is rounding to odd.
  const bool toward_zero = (error < 0.0) == (sum > 0.0);
  const long long odd = (bits & 1) ? bits : (toward_zero ? bits - 1 : bits + 1);
  bits = inexact && !(bits & 1) ? odd : bits;
  return static_cast<float>(__builtin_bit_cast(double, bits));
}
#endif

}  // namespace
}  // namespace chop::CHOP_ISA
