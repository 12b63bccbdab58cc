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

// CHOP_NO_ALIAS: what the loop writes, it does not read. Loops over the tile are unrolled by order: only then do its
// sums stay in registers to the end.
#if defined(__clang__)
#define CHOP_UNROLL _Pragma("clang loop unroll(full)")
#define CHOP_NO_ALIAS _Pragma("clang loop vectorize(assume_safety)")
#else
#define CHOP_UNROLL _Pragma("GCC unroll 16")
#define CHOP_NO_ALIAS _Pragma("GCC ivdep")
#endif

// y[o] = bias[o] + sum over i of weight[o][i] * x[i] for Rows outputs and Cols vectors of samples: each x vector
// serves Rows outputs.
template <class T, int Rows, int Cols>
inline void linear_tile(const T* x, const T* weight, const T* bias, T* y, int in) {
  using V = typename VectorOf<T>::type;
  constexpr int lanes = VectorOf<T>::lanes;
  V sum[Rows][Cols];
  CHOP_UNROLL for (int r = 0; r < Rows; ++r) {
    CHOP_UNROLL for (int c = 0; c < Cols; ++c) sum[r][c] = V{} + (bias ? bias[r] : T(0));
  }
  for (int i = 0; i < in; ++i) {
    V column[Cols];
    CHOP_UNROLL for (int c = 0; c < Cols; ++c) column[c] = load(x + i * kBlock + c * lanes);
    CHOP_UNROLL for (int r = 0; r < Rows; ++r) {
      CHOP_UNROLL for (int c = 0; c < Cols; ++c) sum[r][c] += column[c] * weight[r * in + i];
    }
  }
  CHOP_UNROLL for (int r = 0; r < Rows; ++r) {
    CHOP_UNROLL for (int c = 0; c < Cols; ++c) store(y + r * kBlock + c * lanes, sum[r][c]);
  }
}

// A whole block. Cols vectors at a time; 4 x 4 sums fit the 32 registers of AVX-512, 2 x 4 the 16 of AVX2.
template <class T>
inline void linear_block(const T* x, const T* weight, const T* bias, T* y, int in, int out) {
  constexpr int lanes = VectorOf<T>::lanes;
  constexpr int cols = 4;
  constexpr int rows = kLanes == 16 ? 4 : 2;
  static_assert(kBlock % (lanes * cols) == 0);
  for (int s = 0; s < kBlock; s += lanes * cols) {
    int o = 0;
    for (; o + rows <= out; o += rows)
      linear_tile<T, rows, cols>(x + s, weight + o * in, bias ? bias + o : nullptr, y + o * kBlock + s, in);
    for (; o < out; ++o)
      linear_tile<T, 1, cols>(x + s, weight + o * in, bias ? bias + o : nullptr, y + o * kBlock + s, in);
  }
}

}  // namespace
}  // namespace chop::CHOP_ISA
