#include "chop/kernels/simd_tables.h"
// clang-format off: after the tables
#include "chop/kernels/lanes.inl"
// clang-format on

namespace chop::CHOP_ISA {
namespace {

#if defined(__AVX512F__)

using V = VectorOf<float>::type;
using Stage = TrainNarrowStage<float>;
using Narrow = TrainNarrow<float>;

inline __mmask16 mask_of(int count) { return static_cast<__mmask16>((1u << count) - 1); }
// The first `count` numbers, zero in the other lanes; none: `otherwise`.
inline V load_first(const float* p, int count) { return _mm512_maskz_loadu_ps(mask_of(count), p); }
inline V parameters(const Narrow& p, int64_t place, int count, float otherwise) {
  return place < 0 ? V{} + otherwise : load_first(p.weights + place, count);
}
inline void store_first(float* p, V v, int count) { _mm512_mask_storeu_ps(p, mask_of(count), v); }
inline void give(const Narrow& p, int64_t place, V gradient, int count) {
  if (place < 0) return;
  float* to = p.gradients + place;
  store_first(to, p.keep ? gradient + load_first(to, count) : gradient, count);
}

void gather(const TrainGather<float>& p) {
  const float* const data = p.data;
  const int64_t* const order = p.order;
  float* const x = p.x;
  const int64_t stride = p.stride, first = p.first;
  const int valid = p.block.valid;
  for (int s = 0; s < valid; ++s) store(x + s * kNarrow, load(data + (order ? order[s] : first + s) * stride));
}

// A few at a time: the memory serves only so many at once.
inline void prefetch(const TrainGather<float>& p, int from, int count) {
  for (int j = from; j < from + count && j < p.next_count; ++j) __builtin_prefetch(p.data + p.next[j] * p.stride);
}

// The sum of take(s) over the samples, in four sums of their own.
template <class Take>
inline V total(int samples, Take take) {
  V sum[4] = {};
  int s = 0;
  for (; s + 4 <= samples; s += 4) CHOP_UNROLL for (int a = 0; a < 4; ++a) sum[a] += take(s + a);
  for (; s < samples; ++s) sum[0] += take(s);
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

inline V root_of(V v) { return _mm512_maskz_sqrt_ps(0xffff, v); }  // the plain one warns of what it never reads

// What a stage does before its linear layer: alpha x + shift, and max(that, 0).
struct Before {
  V alpha, shift, low;
  Before(const Narrow& p, int stage)
      : alpha(load(p.affine + stage * 2 * kNarrow)),
        shift(load(p.affine + stage * 2 * kNarrow + kNarrow)),
        low(V{} + (p.stages[stage].relu ? 0.0f : -__builtin_inff())) {}
  V operator()(V x) const { return larger_of(low, x * alpha + shift); }  // NaN stays
  V slope(V x, V gradient) const { return x * alpha + shift > low ? gradient : V{}; }
};

void normalize(const Narrow& p, const Stage& stage, const float* x, float* affine) {
  V alpha = V{} + 1.0f, shift{};
  if (stage.norm) {
    const int samples = p.block.valid;
    const float share = 1.0f / static_cast<float>(samples);
    const V mean = total(samples, [&](int s) { return load(x + s * kNarrow); }) * share;
    const V squares = total(samples, [&](int s) {
      const V distance = load(x + s * kNarrow) - mean;
      return distance * distance;
    });
    store_first(stage.mean, mean, stage.ins);
    store_first(stage.variance, squares * share, stage.ins);
    alpha = parameters(p, stage.gamma, stage.ins, 1.0f) / root_of(squares * share + stage.eps);
    shift = parameters(p, stage.beta, stage.ins, 0.0f) - mean * alpha;
  }
  store(affine, alpha);
  store(affine + kNarrow, shift);
}

void linear_forward(const Narrow& p, int number, const float* x, float* y) {
  constexpr int samples = 16;
  const Stage& stage = p.stages[number];
  const Before before(p, number);
  V weights[kNarrow];
  CHOP_UNROLL for (int o = 0; o < kNarrow; ++o) weights[o] =
      o < stage.outs ? load_first(p.weights + stage.weight + o * stage.ins, stage.ins) : V{};
  transpose<float>(weights);
  const V bias = parameters(p, stage.bias, stage.outs, 0.0f);
  for (int s = 0; s < p.block.rows; s += samples, x += samples * kNarrow, y += samples * kNarrow) {
    if (number == 0) prefetch(p.rows, s, samples);
    alignas(64) float in[samples * kNarrow];
    V sum[samples];
    CHOP_UNROLL for (int a = 0; a < samples; ++a) {
      store(in + a * kNarrow, before(load(x + a * kNarrow)));
      sum[a] = bias;
    }
    for (int i = 0; i < stage.ins; ++i) {
      const V weight = weights[i];
      CHOP_UNROLL for (int a = 0; a < samples; ++a) sum[a] += in[a * kNarrow + i] * weight;
    }
    CHOP_UNROLL for (int a = 0; a < samples; ++a) store(y + a * kNarrow, sum[a]);
  }
}

void forward(const Narrow& p) {
  const int64_t size = static_cast<int64_t>(p.block.rows) * kNarrow;
  const int last = p.count - 1;
  float* x = p.inputs;
  gather(p.rows);
  for (int i = 0; i < p.count; ++i, x += size) {
    normalize(p, p.stages[i], x, p.affine + i * 2 * kNarrow);
    if (i < last) linear_forward(p, i, x, x + size);
  }
  x -= size;
  const Before before(p, last);
  for (int s = 0; s < p.block.rows; s += kNarrow) {
    V tile[kNarrow];
    CHOP_UNROLL for (int a = 0; a < kNarrow; ++a) tile[a] = before(load(x + (s + a) * kNarrow));
    transpose<float>(tile);
    CHOP_UNROLL for (int c = 0; c < kNarrow; ++c) if (c < p.stages[last].ins)
        store(p.logits + c * p.block.ld + s, tile[c]);
  }
}

// What norm_backward needs of the gradients g behind the norm.
struct Sums {
  V out{};         // of the gradients of the linear layer's results
  V sum{}, dot{};  // of g, and of g (x - mean)
};

// Gradients of `outs` weight rows from o on. dx becomes that of what the norm gives: the first rows write it, later
// ones add to it, and the last ones put it through the ReLU and add up the sums. Without a linear layer it is g.
template <int outs>
void stage_tile(const Narrow& p, int number, const float* x, const float* g, float* dx, int o, Sums* sums) {
  const Stage& stage = p.stages[number];
  const Before before(p, number);
  const bool last = o + outs == stage.outs;
  const V mean = stage.norm ? load_first(stage.mean, stage.ins) : V{};
  V weight[outs + 1], gradient[outs + 1] = {};
  Sums total;
  CHOP_UNROLL for (int a = 0; a < outs; ++a) weight[a] =
      load_first(p.weights + stage.weight + (o + a) * stage.ins, stage.ins);
  for (int s = 0; s < p.block.valid; ++s) {
    const V found = load(x + s * kNarrow), in = before(found);
    V back = outs == 0 ? load(g + s * kNarrow) : (o == 0 ? V{} : load(dx + s * kNarrow));
    CHOP_UNROLL for (int a = 0; a < outs; ++a) {
      const V out = _mm512_set1_ps(g[s * kNarrow + o + a]);
      gradient[a] += out * in;
      back += out * weight[a];
    }
    if (last) {
      back = before.slope(found, back);
      total.out += load(g + s * kNarrow);
      total.sum += back;
      total.dot += back * (found - mean);
    }
    store(dx + s * kNarrow, back);
  }
  CHOP_UNROLL for (int a = 0; a < outs; ++a) give(p, stage.weight + (o + a) * stage.ins, gradient[a], stage.ins);
  if (last) *sums = total;
}

template <int outs>
void stage_rest(const Narrow& p, int number, const float* x, const float* g, float* dx, int o, Sums* sums) {
  if (p.stages[number].outs - o == outs) return stage_tile<outs>(p, number, x, g, dx, o, sums);
  if constexpr (outs > 0) stage_rest<outs - 1>(p, number, x, g, dx, o, sums);
}

// dx becomes (dx - its mean - (x - mean) part) alpha.
void norm_backward(const Narrow& p, int number, const Sums& sums, const float* x, float* dx) {
  const Stage& stage = p.stages[number];
  const V mean = load_first(stage.mean, stage.ins);
  const V inverse = 1.0f / root_of(load_first(stage.variance, stage.ins) + stage.eps);
  give(p, stage.gamma, sums.dot * inverse, stage.ins);
  give(p, stage.beta, sums.sum, stage.ins);
  if (number == 0) return;
  const float share = 1.0f / static_cast<float>(p.block.valid);
  const V part = sums.dot * inverse * inverse * share, mean_gradient = sums.sum * share;
  const V alpha = load(p.affine + number * 2 * kNarrow);
  for (int s = 0; s < p.block.valid; ++s) {
    const V away = (load(x + s * kNarrow) - mean) * part;
    store(dx + s * kNarrow, (load(dx + s * kNarrow) - mean_gradient - away) * alpha);
  }
}

void backward(const Narrow& p) {
  const int64_t size = static_cast<int64_t>(p.block.rows) * kNarrow;
  float *g = p.scratch, *dx = p.scratch + size;
  const int classes = p.stages[p.count - 1].ins;
  for (int s = 0; s < p.block.rows; s += kNarrow) {
    V tile[kNarrow];
    CHOP_UNROLL for (int c = 0; c < kNarrow; ++c) tile[c] = c < classes ? load(p.gradient + c * p.block.ld + s) : V{};
    transpose<float>(tile);
    CHOP_UNROLL for (int a = 0; a < kNarrow; ++a) store(g + (s + a) * kNarrow, tile[a]);
  }
  for (int i = p.count - 1; i >= 0; --i) {
    const Stage& stage = p.stages[i];
    const float* x = p.inputs + i * size;
    Sums sums;
    int o = 0;
    for (; o + 8 <= stage.outs; o += 8) stage_tile<8>(p, i, x, g, dx, o, &sums);
    if (o < stage.outs || o == 0) stage_rest<7>(p, i, x, g, dx, o, &sums);
    if (stage.outs > 0) give(p, stage.bias, sums.out, stage.outs);
    if (stage.norm) norm_backward(p, i, sums, x, dx);
    float* const done = g;
    g = dx;
    dx = done;
  }
}

constexpr TrainNarrowKernels<float> narrow_f32 = {forward, backward};

#else

constexpr TrainNarrowKernels<float> narrow_f32 = {};

#endif

}  // namespace

extern const TrainNarrowKernels<float> train_narrow_f32;
extern const TrainNarrowKernels<double> train_narrow_f64;
const TrainNarrowKernels<float> train_narrow_f32 = narrow_f32;
const TrainNarrowKernels<double> train_narrow_f64 = {};

}  // namespace chop::CHOP_ISA
