// exp and its relatives in double, good to 1e-11: after rounding to float, nearly always the right float. No library
// calls and no fused operations, so the bits are those of every instruction set. Included by *.simd.cpp only.
#pragma once

// clang-format off: the tables come first
#include "chop/kernels/rounding.inl"
// clang-format on

namespace chop::CHOP_ISA {
namespace {

// x = n ln2 + r, a polynomial for exp(r) (Chebyshev, 1.4e-14), n added to the exponent. Adding 1.5 * 2^52 rounds, and
// leaves n in the last bits.
inline double exp_wide(double x) {
  constexpr double magic = 6755399441055744.0;
  const double bounded = clamp(x, -708.0, 708.0);
  const double shifted = bounded * 1.4426950408889634 + magic;
  const double n = shifted - magic;
  const double r = (bounded - n * 0.693147180369123816490) - n * 1.90821492927058770002e-10;
  double p = 2.763264067543023571e-6;
  p = p * r + 2.488445975175111469e-5;
  p = p * r + 1.984119064754423966e-4;
  p = p * r + 1.388880174965654252e-3;
  p = p * r + 8.33333336731160369e-3;
  p = p * r + 4.166666704055190649e-2;
  p = p * r + 1.666666666156704e-1;
  p = p * r + 4.999999999943858924e-1;
  p = p * r + 1.0;
  p = p * r + 1.0;
  const unsigned long long exponent = (__builtin_bit_cast(unsigned long long, shifted) + 1023) << 52;
  const double result = p * __builtin_bit_cast(double, exponent);
  return x > 708.0 ? __builtin_inf() : result;
}

// 2 artanh(f) = log((1 + f) / (1 - f)) for |f| <= 0.172, by its series.
inline double twice_artanh(double f) {
  const double z = f * f;
  double p = 1.0 / 15;
  p = p * z + 1.0 / 13;
  p = p * z + 1.0 / 11;
  p = p * z + 1.0 / 9;
  p = p * z + 1.0 / 7;
  p = p * z + 1.0 / 5;
  p = p * z + 1.0 / 3;
  return 2.0 * f + 2.0 * f * z * p;
}

// exp(x) - 1: by the series where the difference would lose digits.
inline double expm1_wide(double x) {
  const double series = x + x * x * (0.5 + x * (1.0 / 6.0 + x * (1.0 / 24.0 + x * (1.0 / 120.0))));
  return __builtin_fabs(x) < 0.015625 ? series : exp_wide(x) - 1.0;
}

// log(1 + e) for e in [0, 1]; NaN stays.
inline double log1p_wide(double e) {
  const bool large = e > 0.41421356237309505;
  const double f = large ? (e - 1.0) / (e + 3.0) : e / (e + 2.0);  // of (1 + e) / 2 or of 1 + e
  return (large ? 0.693147180559945309417 : 0.0) + twice_artanh(f);
}

// log(1 + exp(x))
inline double softplus_wide(double x) { return (x > 0.0 ? x : 0.0) + log1p_wide(exp_wide(-__builtin_fabs(x))); }

// log(x) for a normal x > 0; NaN and inf stay. x = m 2^n with m between sqrt(1/2) and sqrt(2).
inline double log_wide(double x) {
  constexpr unsigned long long mantissa = (1ull << 52) - 1;
  const unsigned long long bits = __builtin_bit_cast(unsigned long long, x);
  const double half = __builtin_bit_cast(double, (bits & mantissa) | 0x3fe0000000000000ull);  // in [1/2, 1)
  const bool low = half < 0.70710678118654752;
  const double m = low ? half + half : half;
  // The exponent's bits below those of 2^52 are its value.
  const double biased = __builtin_bit_cast(double, (bits >> 52) | 0x4330000000000000ull) - 4503599627370496.0;
  const double n = biased - (low ? 1023.0 : 1022.0);
  const double result = n * 0.693147180559945309417 + twice_artanh((m - 1.0) / (m + 1.0));
  return x < __builtin_inf() ? result : x;
}

// exp(a^2) erfc(a) for a in [0, 10.5]: (1 + a) times it is a polynomial of (a - 3) / (a + 3) (Chebyshev, 8e-12).
inline double erfcx_wide(double a) {
  const double k = (a - 3.0) / (a + 3.0);
  double p = -2.874461318286910598e-6;
  p = p * k + 5.192750799451608766e-6;
  p = p * k + 5.379789843881973771e-5;
  p = p * k + -2.654793747603263503e-5;
  p = p * k + -3.680017211385341832e-4;
  p = p * k + 6.478784982529032857e-4;
  p = p * k + 1.619093909901615265e-3;
  p = p * k + -9.751026758734009635e-3;
  p = p * k + 2.195766735626187311e-2;
  p = p * k + -2.380388678941197772e-2;
  p = p * k + -1.023538243909945582e-2;
  p = p * k + 9.90207528593575005e-2;
  p = p * k + -2.30927333197825365e-1;
  p = p * k + 7.160046047301954204e-1;
  return p / (1.0 + a);
}

}  // namespace
}  // namespace chop::CHOP_ISA
