// One piece of a plane in a vector. Included by *.simd.cpp only.
#pragma once

#include "chop/kernels/simd_tables.h"
// clang-format off: after the tables
#include "chop/kernels/lanes.inl"
// clang-format on

namespace chop::CHOP_ISA {
namespace {

template <int width>
struct WordsOf {
  typedef uint32_t type __attribute__((vector_size(width * 4)));
};

template <class V>
inline V read_words(const void* p) {
  V v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

template <class V, int... l>
inline V even_words(V a, V b, Places<l...>) {
  return __builtin_shufflevector(a, b, (2 * l)...);
}

template <int width, int step>
inline typename WordsOf<width>::type pick(const uint32_t* x) {
  using V = typename WordsOf<width>::type;
  if constexpr (step == 1) return read_words<V>(x);
  return even_words(read_words<V>(x), read_words<V>(x + width), FirstPlaces<width>{});
}

// see(words of the width) for every plane: what the piece reads of it.
template <int width, int step, class See>
inline void each_plane(const Pieces& all, const Piece& p, const uint32_t* x, int64_t plane, int planes, uint32_t fill,
                       See see) {
  using V = typename WordsOf<width>::type;
  x += p.from;
  if (p.mask < 0) {
    for (int g = 0; g < planes; ++g, x += plane) see(g, pick<width, step>(x));
    return;
  }
  const V mask = read_words<V>(all.masks[p.mask].lane);
  const V filled = (V{} + fill) & ~mask;
  for (int g = 0; g < planes; ++g, x += plane) see(g, (pick<width, step>(x) & mask) | filled);
}

template <class See>
inline void each_listed(const Pieces& all, const Piece& p, const uint32_t* x, int64_t plane, int planes, uint32_t fill,
                        See see) {
  const int32_t* words = all.words + p.from;
  for (int g = 0; g < planes; ++g, x += plane) {
    WordsOf<4>::type v{};
    CHOP_UNROLL for (int l = 0; l < 4; ++l) v[l] = words[l] < 0 ? fill : x[words[l]];
    see(g, v);
  }
}

template <class See>
inline void each_read(const Pieces& all, const Piece& p, const uint32_t* x, int64_t plane, int planes, uint32_t fill,
                      See see) {
  if (p.step == 0) return each_listed(all, p, x, plane, planes, fill, see);
  if (p.step == 1) {
    if (p.width == 16) return each_plane<16, 1>(all, p, x, plane, planes, fill, see);
    if (p.width == 8) return each_plane<8, 1>(all, p, x, plane, planes, fill, see);
    return each_plane<4, 1>(all, p, x, plane, planes, fill, see);
  }
  if (p.width == 16) return each_plane<16, 2>(all, p, x, plane, planes, fill, see);
  if (p.width == 8) return each_plane<8, 2>(all, p, x, plane, planes, fill, see);
  return each_plane<4, 2>(all, p, x, plane, planes, fill, see);
}

}  // namespace
}  // namespace chop::CHOP_ISA
