// Work across the lanes of vectors: sums of many vectors at once, and transposition. Included by *.simd.cpp only.
#pragma once

// clang-format off: the tables come first
#include "chop/kernels/vector.inl"
// clang-format on

namespace chop::CHOP_ISA {
namespace {

template <int... l>
struct Places {};
#if defined(__clang__)
template <class, int... l>
using PlacesOf = Places<l...>;
template <int n>
using FirstPlaces = __make_integer_seq<PlacesOf, int, n>;
#else
template <int n>
using FirstPlaces = Places<__integer_pack(n)...>;
#endif

// Of blocks of h lanes: the even ones of a, with the even ones of b in the places of the odd; and the odd ones.
template <int h, class V, int... l>
inline V even_blocks(V a, V b, Places<l...>) {
  constexpr int lanes = sizeof...(l);
  return __builtin_shufflevector(a, b, ((l / h) % 2 == 0 ? l : lanes + l - h)...);
}
template <int h, class V, int... l>
inline V odd_blocks(V a, V b, Places<l...>) {
  constexpr int lanes = sizeof...(l);
  return __builtin_shufflevector(a, b, ((l / h) % 2 == 0 ? l + h : lanes + l)...);
}

template <class T, int h>
inline void sum_level(typename VectorOf<T>::type* v) {
  using All = FirstPlaces<VectorOf<T>::lanes>;
  CHOP_UNROLL for (int i = 0; i < h; ++i) v[i] =
      even_blocks<h>(v[i], v[i + h], All{}) + odd_blocks<h>(v[i], v[i + h], All{});
}

// Lane l of the result is the sum of the lanes of v[l]; v has as many vectors as lanes, and is used up.
template <class T>
inline typename VectorOf<T>::type lane_sums(typename VectorOf<T>::type* v) {
  constexpr int lanes = VectorOf<T>::lanes;
  if constexpr (lanes > 8) sum_level<T, 8>(v);
  if constexpr (lanes > 4) sum_level<T, 4>(v);
  if constexpr (lanes > 2) sum_level<T, 2>(v);
  sum_level<T, 1>(v);
  return v[0];
}

// Adds the products of each of `outs` rows of g with each of lanes / outs rows of x, a vector of every row.
template <class T, int outs>
inline void add_pairs(typename VectorOf<T>::type* sum, const T* const* g, int64_t at_g, const T* const* x,
                      int64_t at_x) {
  using V = typename VectorOf<T>::type;
  constexpr int ins = VectorOf<T>::lanes / outs;
  V left[outs];
  CHOP_UNROLL for (int a = 0; a < outs; ++a) left[a] = load(g[a] + at_g);
  CHOP_UNROLL for (int b = 0; b < ins; ++b) {
    const V right = load(x[b] + at_x);
    CHOP_UNROLL for (int a = 0; a < outs; ++a) sum[a * ins + b] += left[a] * right;
  }
}

template <class T, int h>
inline void transpose_level(typename VectorOf<T>::type* v) {
  constexpr int lanes = VectorOf<T>::lanes;
  using All = FirstPlaces<lanes>;
  CHOP_UNROLL for (int j = 0; j < lanes / 2; ++j) {
    const int i = j / h * 2 * h + j % h;
    const auto even = even_blocks<h>(v[i], v[i + h], All{});
    v[i + h] = odd_blocks<h>(v[i], v[i + h], All{});
    v[i] = even;
  }
}

// Lane j of v[i] changes places with lane i of v[j].
template <class T>
inline void transpose(typename VectorOf<T>::type* v) {
  constexpr int lanes = VectorOf<T>::lanes;
  if constexpr (lanes > 8) transpose_level<T, 8>(v);
  if constexpr (lanes > 4) transpose_level<T, 4>(v);
  if constexpr (lanes > 2) transpose_level<T, 2>(v);
  transpose_level<T, 1>(v);
}

// A bit for each lane in which a comparison of vectors of T is true.
template <class T, class Truth>
inline unsigned lanes_where(Truth truth) {
#if defined(__AVX512F__)
  const auto bits = __builtin_bit_cast(__m512i, truth);
  return sizeof(T) == 4 ? _mm512_test_epi32_mask(bits, bits) : _mm512_test_epi64_mask(bits, bits);
#elif defined(__AVX__)
  return static_cast<unsigned>(sizeof(T) == 4 ? _mm256_movemask_ps(__builtin_bit_cast(__m256, truth))
                                              : _mm256_movemask_pd(__builtin_bit_cast(__m256d, truth)));
#elif defined(__SSE2__)
  return static_cast<unsigned>(sizeof(T) == 4 ? _mm_movemask_ps(__builtin_bit_cast(__m128, truth))
                                              : _mm_movemask_pd(__builtin_bit_cast(__m128d, truth)));
#else
  unsigned found = 0;
  for (int l = 0; l < VectorOf<T>::lanes; ++l) found |= (truth[l] != 0 ? 1u : 0u) << l;
  return found;
#endif
}

// The first `count` lanes of v, zero in the others.
template <class T>
inline typename VectorOf<T>::type first_lanes(typename VectorOf<T>::type v, int count) {
  typename VectorOf<T>::type place;
  CHOP_UNROLL for (int l = 0; l < VectorOf<T>::lanes; ++l) place[l] = static_cast<T>(l);
  return place < static_cast<T>(count) ? v : typename VectorOf<T>::type{};
}

}  // namespace
}  // namespace chop::CHOP_ISA
