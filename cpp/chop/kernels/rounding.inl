// Round half to even, clamp: the scalar bodies that the compiler turns into vector loops. Included by *.simd.cpp only.
#pragma once

namespace chop::CHOP_ISA {
namespace {

#if defined(__SSE4_1__) || defined(__aarch64__)
inline float round_half_even(float v) { return __builtin_rintf(v); }
inline double round_half_even(double v) { return __builtin_rint(v); }
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
#endif

// NaN compares false and so passes through.
template <class T>
inline T clamp(T v, T lo, T hi) {
  const T raised = v < lo ? lo : v;
  return raised > hi ? hi : raised;
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
