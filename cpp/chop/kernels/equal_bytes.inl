// Which of a block's bytes are equal, one bit each. Included by *.simd.cpp only.
#pragma once

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "chop/kernels/kernels.h"

namespace chop::CHOP_ISA {
namespace {

static_assert(kBlock == 64, "as many as a word has bits");

#if defined(__AVX512BW__)
inline constexpr bool kHasEqualBytes = true;
typedef __m512i Bytes;
inline uint64_t equal_at(const uint8_t* a, Bytes b) { return _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(a), b); }
inline Bytes bytes_at(const uint8_t* a) { return _mm512_loadu_si512(a); }
inline Bytes bytes_of(uint8_t value) { return _mm512_set1_epi8(static_cast<char>(value)); }
#elif defined(__AVX2__)
inline constexpr bool kHasEqualBytes = true;
typedef __m256i Bytes;
inline Bytes bytes_at(const uint8_t* a) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a)); }
inline Bytes bytes_of(uint8_t value) { return _mm256_set1_epi8(static_cast<char>(value)); }
inline uint64_t equal_at(const uint8_t* a, Bytes b) {
  return static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes_at(a), b)));
}
#elif defined(__SSE2__)
inline constexpr bool kHasEqualBytes = true;
typedef __m128i Bytes;
inline Bytes bytes_at(const uint8_t* a) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(a)); }
inline Bytes bytes_of(uint8_t value) { return _mm_set1_epi8(static_cast<char>(value)); }
inline uint64_t equal_at(const uint8_t* a, Bytes b) {
  return static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes_at(a), b)));
}
#else
inline constexpr bool kHasEqualBytes = false;
typedef uint8_t Bytes;
inline Bytes bytes_at(const uint8_t* a) { return *a; }
inline Bytes bytes_of(uint8_t value) { return value; }
inline uint64_t equal_at(const uint8_t* a, Bytes b) { return *a == b; }
#endif

inline uint64_t equal_bytes(const uint8_t* a, const uint8_t* b) {
  uint64_t mask = 0;
  for (int s = 0; s < kBlock; s += static_cast<int>(sizeof(Bytes))) mask |= equal_at(a + s, bytes_at(b + s)) << s;
  return mask;
}
inline uint64_t equal_bytes(const uint8_t* a, uint8_t value) {
  uint64_t mask = 0;
  for (int s = 0; s < kBlock; s += static_cast<int>(sizeof(Bytes))) mask |= equal_at(a + s, bytes_of(value)) << s;
  return mask;
}

}  // namespace
}  // namespace chop::CHOP_ISA
