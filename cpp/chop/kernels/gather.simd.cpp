// What the taps of a window see of planes, in rows; and sums along planes.
#include "chop/kernels/simd_tables.h"
// clang-format off: after the tables
#include "chop/kernels/pieces.inl"
// clang-format on

namespace chop::CHOP_ISA {
namespace {

#if defined(__AVX512DQ__)
const Mask all_lanes = {{~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u}};

// Sixteen words side by side, which most pieces are: no branch tells the masked ones apart.
inline void whole_piece(const Gather& g, const Piece& p, const uint32_t* x, uint32_t* y) {
  const Mask& mask = p.mask < 0 ? all_lanes : g.pieces.masks[p.mask];
  const __mmask16 lanes = _mm512_movepi32_mask(read_words<__m512i>(mask.lane));
  const __m512i fill = _mm512_set1_epi32(static_cast<int>(g.fill));
  x += p.from;
  int plane = 0;
  for (; plane + 4 <= g.planes; plane += 4, x += 4 * g.plane, y += 4 * kBlock)
    CHOP_UNROLL for (int i = 0; i < 4; ++i)
        _mm512_storeu_si512(y + i * kBlock, _mm512_mask_loadu_epi32(fill, lanes, x + i * g.plane));
  for (; plane < g.planes; ++plane, x += g.plane, y += kBlock)
    _mm512_storeu_si512(y, _mm512_mask_loadu_epi32(fill, lanes, x));
}
#endif

void gather(const Gather& g) {
  const uint32_t* x = static_cast<const uint32_t*>(g.x);
  for (int i = 0; i < g.pieces.count; ++i) {
    const Piece& p = g.pieces.pieces[i];
    uint32_t* y = static_cast<uint32_t*>(g.y) + static_cast<int64_t>(p.tap) * g.planes * kBlock + p.lane;
#if defined(__AVX512DQ__)
    if (p.width == 16 && p.step == 1) {
      whole_piece(g, p, x, y);
      continue;
    }
#endif
    each_read(g.pieces, p, x, g.plane, g.planes, g.fill,
              [y](int plane, auto words) { __builtin_memcpy(y + plane * kBlock, &words, sizeof words); });
  }
}

// Eight planes at a time: each sum waits for its last addition.
void sum_wide(const float* x, int64_t plane, int planes, int count, float* y) {
  constexpr int together = 8;
  for (int first = 0; first < planes; first += together) {
    const int some = planes - first < together ? planes - first : together;
    double sums[together];
    for (int c = 0; c < together; ++c) sums[c] = 0.0;
    const float* from[together];
    for (int c = 0; c < together; ++c) from[c] = x + (first + (c < some ? c : 0)) * plane;
    for (int i = 0; i < count; ++i) {
      CHOP_UNROLL for (int c = 0; c < together; ++c) sums[c] += static_cast<double>(from[c][i]);
    }
    for (int c = 0; c < some; ++c) y[(first + c) * kBlock] = static_cast<float>(sums[c]);
  }
}

}  // namespace

extern const GatherKernels gathers;
const GatherKernels gathers = {gather, sum_wide};

}  // namespace chop::CHOP_ISA
