// A float vector as wide as the instruction set's registers, by the compiler's vector extension.
#pragma once

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "chop/kernels/kernels.h"

namespace chop::CHOP_ISA {
namespace {

#if defined(__AVX512F__)
inline constexpr int kLanes = 16;
#elif defined(__AVX__)
inline constexpr int kLanes = 8;
#else
inline constexpr int kLanes = 4;
#endif

template <class T>
struct VectorOf;
template <>
struct VectorOf<float> {
  typedef float type __attribute__((vector_size(kLanes * 4)));
  typedef type floats;  // as many floats as lanes
  static constexpr int lanes = kLanes;
};
template <>
struct VectorOf<double> {
  typedef double type __attribute__((vector_size(kLanes * 4)));
  typedef float floats __attribute__((vector_size(kLanes * 2)));
  static constexpr int lanes = kLanes / 2;
};

template <class T>
inline typename VectorOf<T>::type load(const T* p) {
  typename VectorOf<T>::type v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

template <class T>
inline void store(T* p, typename VectorOf<T>::type v) {
  __builtin_memcpy(p, &v, sizeof v);
}

// a > b ? a : b, and so b where either is NaN, in the one instruction that does this.
inline VectorOf<float>::type larger_of(VectorOf<float>::type a, VectorOf<float>::type b) {
#if defined(__AVX512F__)
  return _mm512_maskz_max_ps(0xffff, a, b);  // the plain one warns of what it never reads
#elif defined(__AVX__)
  return _mm256_max_ps(a, b);
#elif defined(__SSE2__)
  return _mm_max_ps(a, b);
#else
  return a > b ? a : b;
#endif
}

// Floats as doubles, or as they are, in the one instruction that does this: the compiler's conversion takes one for
// each quarter.
template <class To, class Floats>
inline To widened(Floats v) {
#if defined(__AVX512F__)
  if constexpr (sizeof v == 32) return reinterpret_cast<To>(_mm512_maskz_cvtps_pd(0xff, reinterpret_cast<__m256>(v)));
#endif
#if defined(__AVX__)
  if constexpr (sizeof v == 16) return reinterpret_cast<To>(_mm256_cvtps_pd(reinterpret_cast<__m128>(v)));
#endif
  return __builtin_convertvector(v, To);
}

// CHOP_NO_ALIAS: what the loop writes, it does not read. Loops over the tile are unrolled by order: only then do its
// sums stay in registers to the end.
#if defined(__clang__)
#define CHOP_UNROLL _Pragma("clang loop unroll(full)")
#define CHOP_NO_ALIAS _Pragma("clang loop vectorize(assume_safety)")
#else
#define CHOP_UNROLL _Pragma("GCC unroll 16")
#define CHOP_NO_ALIAS _Pragma("GCC ivdep")
#endif

}  // namespace
}  // namespace chop::CHOP_ISA
