// The truth about planes: plain loops over lanes.
#include "chop/kernels/reference_gather.h"

#include "chop/kernels/kernels.h"

namespace chop::reference {
namespace {

// The word that lane l of a piece reads.
uint32_t word(const Pieces& all, const Piece& p, int l, const uint32_t* plane, uint32_t fill) {
  if (p.step == 0) return all.words[p.from + l] < 0 ? fill : plane[all.words[p.from + l]];
  const bool reads = p.mask < 0 || all.masks[p.mask].lane[l] != 0;
  return reads ? plane[p.from + l * p.step] : fill;
}

}  // namespace

void gather(const Gather& g) {
  for (int i = 0; i < g.pieces.count; ++i)
    for (int plane = 0; plane < g.planes; ++plane)
      for (int l = 0; l < g.pieces.pieces[i].width; ++l) {
        const Piece& p = g.pieces.pieces[i];
        const int64_t row = int64_t{p.tap} * g.planes + plane;
        static_cast<uint32_t*>(g.y)[row * kBlock + p.lane + l] =
            word(g.pieces, p, l, static_cast<const uint32_t*>(g.x) + plane * g.plane, g.fill);
      }
}

// The taps' rows as the channels of a product with one input channel for each output.
void depthwise(const Depthwise& d) {
  const int channels = channels_of(d.finish.to);
  for (int o = 0; o < d.out; ++o) {
    float sums[kBlock];
    for (float& sum : sums) sum = d.bias ? d.bias[o] : 0.0f;
    const auto* plane = reinterpret_cast<const uint32_t*>(d.x + o / d.multiplier * d.plane);
    for (int i = 0; i < d.pieces.count; ++i) {
      const Piece& p = d.pieces.pieces[i];
      for (int l = 0; l < p.width; ++l)
        sums[p.lane + l] += __builtin_bit_cast(float, word(d.pieces, p, l, plane, 0u)) * d.weight[o * d.taps + p.tap];
    }
    finish_into(d.finish, o, sums, static_cast<char*>(d.y) + o / channels * d.across * kGroupBytes, o == d.out - 1);
  }
}

void plane_sum_wide(const float* x, int64_t plane, int planes, int count, float* y) {
  for (int c = 0; c < planes; ++c) {
    double sum = 0.0;
    for (int i = 0; i < count; ++i) sum += static_cast<double>(x[c * plane + i]);
    y[c * kBlock] = static_cast<float>(sum);
  }
}

}  // namespace chop::reference
