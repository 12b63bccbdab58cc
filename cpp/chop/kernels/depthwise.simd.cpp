// Convolutions of each channel by itself: a vector has places of one channel, no channel is packed beside nothing. Sums
// are exact in float, so the compiler may fuse; see CMakeLists.txt.
#include "chop/kernels/simd_tables.h"
// clang-format off: after the tables
#include "chop/kernels/groups.inl"
#include "chop/kernels/pieces.inl"
// clang-format on

namespace chop::CHOP_ISA {
namespace {

typedef float Sixteen __attribute__((vector_size(kPieceLanes * 4)));

// Outputs that are computed together: what a piece says is read once for all of them. As many as hide the wait for
// sums.
#if defined(__AVX512DQ__)
inline constexpr int kTogether = 2 * kTile;
#else
inline constexpr int kTogether = kTile;
#endif

template <int count>
struct Some {
  const uint32_t* plane[count];
  const float* weight[count];
  Sixteen sum[count];
};

#if defined(__AVX512DQ__)
// Every second bit, from the lowest on.
inline uint32_t spread(uint32_t bits) {
  bits = (bits | bits << 8) & 0x00ff00ffu;
  bits = (bits | bits << 4) & 0x0f0f0f0fu;
  bits = (bits | bits << 2) & 0x33333333u;
  return (bits | bits << 1) & 0x55555555u;
}

// A piece of any width as lanes of a whole vector: the others read nothing, and their sums stay.
template <int count, int step>
inline void add_lanes(const Depthwise& d, const Piece& p, Some<count>* some) {
  const int first = p.lane % kPieceLanes;
  const uint32_t lanes = ((1u << p.width) - 1u) << first;
  uint32_t reads = lanes;
  if (p.mask >= 0) reads &= uint32_t{_mm512_movepi32_mask(read_words<__m512i>(d.pieces.masks[p.mask].lane))} << first;
  const auto sums = static_cast<__mmask16>(lanes);
  const uint32_t words = step == 1 ? reads : spread(reads);
  const int64_t from = p.from - first * step;
  for (int i = 0; i < count; ++i) {
    const uint32_t* x = some->plane[i] + from;
    auto v = (Sixteen)_mm512_maskz_loadu_ps(static_cast<__mmask16>(words), x);
    if constexpr (step == 2) {
      const auto more = (Sixteen)_mm512_maskz_loadu_ps(static_cast<__mmask16>(words >> 16), x + kPieceLanes);
      v = __builtin_shufflevector(v, more, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    }
    some->sum[i] =
        (Sixteen)_mm512_mask3_fmadd_ps((__m512)v, _mm512_set1_ps(some->weight[i][p.tap]), (__m512)some->sum[i], sums);
  }
}
#endif

template <int count, int step>
inline void add_whole(const Depthwise& d, const Piece& p, Some<count>* some) {
  WordsOf<16>::type mask = ~WordsOf<16>::type{};
  if (p.mask >= 0) mask = read_words<WordsOf<16>::type>(d.pieces.masks[p.mask].lane);
  CHOP_UNROLL for (int i = 0; i < count; ++i) some->sum[i] +=
      (Sixteen)(pick<16, step>(some->plane[i] + p.from) & mask) * some->weight[i][p.tap];
}

template <int count>
inline void add_part(const Depthwise& d, const Piece& p, Some<count>* some) {
  for (int i = 0; i < count; ++i) {
    float part[kPieceLanes] = {};
    each_read(d.pieces, p, some->plane[i], 0, 1, 0u,
              [&part, &p](int, auto words) { __builtin_memcpy(part + p.lane % kPieceLanes, &words, sizeof words); });
    Sixteen v;
    __builtin_memcpy(&v, part, sizeof v);
    some->sum[i] += v * some->weight[i][p.tap];
  }
}

// The sums of `count` outputs from o on.
template <int count>
inline void outputs_from(const Depthwise& d, int o, float (*sums)[kBlock]) {
  Some<count> some;
  for (int i = 0; i < count; ++i) {
    some.plane[i] = reinterpret_cast<const uint32_t*>(d.x + (o + i) / d.multiplier * d.plane);
    some.weight[i] = d.weight + (o + i) * d.taps;
  }
  const Piece *p = d.pieces.pieces, *end = p + d.pieces.count;
  while (p != end) {
    const int lane = p->lane / kPieceLanes * kPieceLanes;
    CHOP_UNROLL for (int i = 0; i < count; ++i) some.sum[i] = Sixteen{} + (d.bias ? d.bias[o + i] : 0.0f);
    for (; p != end && p->lane / kPieceLanes * kPieceLanes == lane; ++p) {
#if defined(__AVX512DQ__)
      if (p->step == 1) {
        add_lanes<count, 1>(d, *p, &some);
        continue;
      }
      if (p->step == 2) {
        add_lanes<count, 2>(d, *p, &some);
        continue;
      }
#endif
      if (p->width != kPieceLanes) {
        add_part<count>(d, *p, &some);
      } else if (p->step == 1) {
        add_whole<count, 1>(d, *p, &some);
      } else {
        add_whole<count, 2>(d, *p, &some);
      }
    }
    CHOP_UNROLL for (int i = 0; i < count; ++i) __builtin_memcpy(sums[i] + lane, &some.sum[i], sizeof some.sum[i]);
  }
}

// `here` outputs from o on, in groups of as many channels.
void finish(const Depthwise& d, int o, int here, CodesKernel kernel, const CodesGroup& made) {
  const int channels = channels_of(d.finish.to);
  char* y = static_cast<char*>(d.y) + o / channels * d.across * kGroupBytes;
  CodesGroup group = made;
  for (int i = 0; i < here; i += channels, y += d.across * kGroupBytes) {
    Elementwise op = d.finish.op;
    if (op.alpha) op.alpha += o + i, op.beta += o + i;
    if (!kernel) {
      elementwise(op, static_cast<const float*>(made.row[i]), reinterpret_cast<float*>(y), 1);
      continue;
    }
    for (int k = 0; k < channels; ++k) group.row[k] = made.row[i + k];
    group.alpha = op.alpha, group.beta = op.beta, group.y = y;
    const bool exists[kTile] = {true, here > i + 1, here > i + 2, here > i + 3};
    if (i + channels <= here) {
      kernel(group);
    } else {
      finish_partly(kernel, group, d.finish, exists);
    }
  }
}

void depthwise(const Depthwise& d) {
  CodesGroup group;
  const CodesKernel kernel = d.finish.to == Encoding::f32 ? nullptr : finishes.codes_of_floats(d.finish, &group);
  alignas(64) float sums[kTogether][kBlock] = {};
  for (int o = 0; o < d.out; o += kTogether) {
    const int here = d.out - o < kTogether ? d.out - o : kTogether;
    if (here == kTogether) {
      outputs_from<kTogether>(d, o, sums);
    } else {
      for (int i = 0; i < here; ++i) outputs_from<1>(d, o + i, sums + i);
    }
    for (int first = 0; first < here; first += kTile) {
      for (int i = 0; i < kTile; ++i) group.row[i] = sums[first + i];
      finish(d, o + first, here - first < kTile ? here - first : kTile, kernel, group);
    }
  }
}

}  // namespace

extern const DepthwiseKernel depthwise_kernel;
const DepthwiseKernel depthwise_kernel = depthwise;

}  // namespace chop::CHOP_ISA
