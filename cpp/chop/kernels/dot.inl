// How one vector of samples meets the weights of one output, for each kind of product. Included by *.simd.cpp only.
//
// Input: what a vector of samples of one group becomes, once for all outputs of a tile. Weight: the same for one
// output's weights of that group. add: their product. lanes: samples in a vector.
#pragma once

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "chop/kernels/product.h"
#include "chop/kernels/vector.inl"

namespace chop::CHOP_ISA {
namespace {

// Sums wrap, which only unsigned numbers may.
typedef uint32_t Words __attribute__((vector_size(kLanes * 4)));
typedef int32_t Integers __attribute__((vector_size(kLanes * 4)));

template <class T>
inline T read(const void* p) {
  T value;
  __builtin_memcpy(&value, p, sizeof value);
  return value;
}

#if defined(__AVX512VNNI__)
struct Codes8 {
  using Input = Words;
  using Weight = Words;
  static Input input(const void* x) { return read<Words>(x); }
  static Weight weight(const void* w) { return Words{} + read<uint32_t>(w); }
  static void add(Words& sum, Input x, Weight w) {
    sum = (Words)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)x, (__m512i)w);
  }
};
struct Codes16 {
  using Input = Words;
  using Weight = Words;
  static Input input(const void* x) { return read<Words>(x); }
  static Weight weight(const void* w) { return Words{} + read<uint32_t>(w); }
  static void add(Words& sum, Input x, Weight w) {
    sum = (Words)_mm512_dpwssd_epi32((__m512i)sum, (__m512i)x, (__m512i)w);
  }
};
#elif defined(__SSE2__)
#if defined(__AVX2__)
inline Words dot16(Words a, Words b) { return (Words)_mm256_madd_epi16((__m256i)a, (__m256i)b); }
#else
inline Words dot16(Words a, Words b) { return (Words)_mm_madd_epi16((__m128i)a, (__m128i)b); }
#endif
struct Codes16 {
  using Input = Words;
  using Weight = Words;
  static Input input(const void* x) { return read<Words>(x); }
  static Weight weight(const void* w) { return Words{} + read<uint32_t>(w); }
  static void add(Words& sum, Input x, Weight w) { sum += dot16(x, w); }
};
// Bytes as two pairs of 16-bit numbers: the instruction for bytes saturates.
struct Codes8 {
  struct Input {
    Words even, odd;
  };
  using Weight = Input;
  static Input input(const void* x) {
    typedef uint16_t Halves __attribute__((vector_size(kLanes * 4)));
    const Words all = read<Words>(x);
    return {all & 0x00ff00ffu, (Words)((Halves)all >> 8)};
  }
  static Weight weight(const void* w) {
    const int8_t* byte = static_cast<const int8_t*>(w);
    return {Words{} + pair(byte[0], byte[2]), Words{} + pair(byte[1], byte[3])};
  }
  static void add(Words& sum, Input x, Weight w) { sum += dot16(x.even, w.even) + dot16(x.odd, w.odd); }

 private:
  static uint32_t pair(int low, int high) {
    return (static_cast<uint32_t>(low) & 0xffffu) | static_cast<uint32_t>(high) << 16;
  }
};
#else
struct Codes8 {
  struct Input {
    Words code[4];
  };
  using Weight = Input;
  static Input input(const void* x) {
    const Words all = read<Words>(x);
    return {{all & 0xffu, (all >> 8) & 0xffu, (all >> 16) & 0xffu, all >> 24}};
  }
  static Weight weight(const void* w) {
    const int8_t* byte = static_cast<const int8_t*>(w);
    Weight all;
    CHOP_UNROLL for (int i = 0; i < 4; ++i) all.code[i] = Words{} + static_cast<uint32_t>(byte[i]);
    return all;
  }
  static void add(Words& sum, const Input& x, const Weight& w) {
    CHOP_UNROLL for (int i = 0; i < 4; ++i) sum += x.code[i] * w.code[i];
  }
};
struct Codes16 {
  struct Input {
    Words low, high;
  };
  using Weight = Input;
  static Input input(const void* x) {
    const Integers all = read<Integers>(x);
    return {(Words)((Integers)((Words)all << 16) >> 16), (Words)(all >> 16)};
  }
  static Weight weight(const void* w) {
    const int16_t* half = static_cast<const int16_t*>(w);
    return {Words{} + static_cast<uint32_t>(half[0]), Words{} + static_cast<uint32_t>(half[1])};
  }
  static void add(Words& sum, const Input& x, const Weight& w) { sum += x.low * w.low + x.high * w.high; }
};
#endif

// Codes in floats: exact as integers, which hold the products that floats would round.
struct CodesWhole {
  using Input = Words;
  using Weight = Words;
  static Input input(const void* x) {
    return (Words) __builtin_convertvector(read<VectorOf<float>::type>(x), Integers);
  }
  static Weight weight(const void* w) { return Words{} + read<uint32_t>(w); }
  static void add(Words& sum, Input x, Weight w) { sum += x * w; }
};

// Floats, with double or float sums.
template <class T>
struct Numbers {
  using V = typename VectorOf<T>::type;
  using Input = V;
  using Weight = V;
  static Input input(const void* x) { return widened<V>(read<typename VectorOf<T>::floats>(x)); }
  static Weight weight(const void* w) { return read<T>(w) - V{}; }  // with a plus it would be one: of -0 it makes 0
  static void add(V& sum, Input x, Weight w) { sum += x * w; }
};

}  // namespace
}  // namespace chop::CHOP_ISA
