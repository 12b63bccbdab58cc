// From sums or floats to the codes that the next layer reads. In a file of its own: here nothing may be fused that the
// caller did not ask for, which the exact products allow.
#include "chop/kernels/finish.h"

#include "chop/kernels/simd_tables.h"
// clang-format off: after the tables
#include "chop/kernels/rounding.inl"
#include "chop/kernels/vector.inl"
// clang-format on

namespace chop::CHOP_ISA {
namespace {

enum class Affine { none, fused, separate };

// Added to a float below 2^22, it leaves room for no fraction: the sum is rounded half to even, and the integer stands
// in its last bits, in two's complement.
constexpr float kRounder = 12582912.0f;
constexpr uint32_t kRounderBits = 0x4b400000u;

// What a kernel need not look at: sums that are their numbers but for the scale, and products without an addend.
template <class T, Affine affine_, bool scaled_, bool formed_, bool added_>
struct Form {
  using Number = T;
  static constexpr bool integers = T(1) / T(2) == T(0);
  static constexpr Affine affine = affine_;
  static constexpr bool scaled = scaled_, formed = formed_, added = added_;
};

template <class F>
struct Channel {
  const typename F::Number* row;
  const float* addend;
  float alpha, beta;
  uint32_t bias;
};

template <class F>
inline Channel<F> channel(const CodesGroup& g, int i) {
  constexpr bool affine = F::affine != Affine::none;
  return {static_cast<const typename F::Number*>(g.row[i]), g.addend[i], affine ? g.alpha[i] : 1.0f,
          affine ? g.beta[i] : 0.0f, F::formed && g.bias ? static_cast<uint32_t>(g.bias[i]) : 0u};
}

// ((sum << shift) + bias), which wraps.
template <class F>
inline typename F::Number formed(typename F::Number sum, int shift, uint32_t bias) {
  if constexpr (!F::formed) return sum;
  return static_cast<int32_t>((static_cast<uint32_t>(sum) << shift) + bias);
}

template <Affine affine>
inline float affine_of(float v, float alpha, float beta) {
  if constexpr (affine == Affine::fused) return fused_multiply_add(v, alpha, beta);
  if constexpr (affine == Affine::separate) return v * alpha + beta;
  return v;
}

// The code plus the rounder's bits. NaN becomes `low`: it must not reach its neighbours in the group.
template <class F>
inline uint32_t code(const Channel<F>& c, int s, const CodesGroup& g) {
  constexpr bool numbers = F::affine != Affine::none || F::added;  // else one scale does all
  float v = static_cast<float>(formed<F>(c.row[s], g.shift, c.bias));
  if constexpr (numbers && F::scaled) v *= g.before;
  v = affine_of<F::affine>(v, c.alpha, c.beta);
  if constexpr (F::added) v += c.addend[s];
  if constexpr (!numbers || F::scaled) v *= g.after;
  v = v > g.low ? v : g.low;
  v = v < g.high ? v : g.high;
  return __builtin_bit_cast(uint32_t, v + g.rounder);
}

#if defined(__AVX512BW__)
typedef VectorOf<float>::type Floats;
typedef int32_t Sums __attribute__((vector_size(64)));
typedef uint32_t Bits __attribute__((vector_size(64)));

// The numbers that code() rounds, at 16 samples from s on.
template <class F>
inline Floats numbers(const Channel<F>& c, int s, const CodesGroup& g) {
  constexpr bool apart = F::affine != Affine::none || F::added;
  Floats v;
  if constexpr (F::integers) {
    Sums sums;
    __builtin_memcpy(&sums, c.row + s, sizeof sums);
    if constexpr (F::formed) sums = (Sums)(((Bits)sums << g.shift) + c.bias);
    v = __builtin_convertvector(sums, Floats);
  } else {
    v = load(c.row + s);
  }
  if constexpr (apart && F::scaled) v *= g.before;
  if constexpr (F::affine == Affine::fused)
    v = (Floats)_mm512_fmadd_ps((__m512)v, (__m512)(Floats{} + c.alpha), (__m512)(Floats{} + c.beta));
  if constexpr (F::affine == Affine::separate) v = v * c.alpha + c.beta;
  if constexpr (F::added) v += load(c.addend + s);
  if constexpr (!apart || F::scaled) v *= g.after;
  return v;
}

// The processor rounds half to even. What is too large for it, and NaN, becomes the lowest integer: so the highest code
// is looked at before.
inline __m512i rounded(Floats v, const CodesGroup& g) {
  return _mm512_maskz_cvtps_epi32(0xffff, _mm512_maskz_min_ps(0xffff, (__m512)(Floats{} + g.high), (__m512)v));
}

template <class F>
void bytes(const CodesGroup& group) {
  const CodesGroup g = group;
  const Channel<F> a = channel<F>(g, 0), b = channel<F>(g, 1), c = channel<F>(g, 2), d = channel<F>(g, 3);
  const bool signed_codes = g.rounder != kRounder;  // that are 128 more in memory
  const __m512i order = _mm512_set4_epi32(0x0f0b0703, 0x0e0a0602, 0x0d090501, 0x0c080400);
  const auto low = static_cast<int>(g.low < 0.0f && !signed_codes ? 0.0f : g.low);
  const __m512i lowest = _mm512_set1_epi8(static_cast<char>(low));
  auto* y = static_cast<char*>(g.y);
  CHOP_UNROLL for (int s = 0; s < kBlock; s += 16) {
    const __m512i ab = _mm512_packs_epi32(rounded(numbers<F>(a, s, g), g), rounded(numbers<F>(b, s, g), g));
    const __m512i cd = _mm512_packs_epi32(rounded(numbers<F>(c, s, g), g), rounded(numbers<F>(d, s, g), g));
    __m512i codes;
    if (signed_codes) {
      codes = _mm512_xor_si512(_mm512_max_epi8(_mm512_packs_epi16(ab, cd), lowest), _mm512_set1_epi8(-128));
    } else {
      codes = _mm512_max_epu8(_mm512_packus_epi16(ab, cd), lowest);
    }
    codes = _mm512_shuffle_epi8(codes, order);
    __builtin_memcpy(y + s * 4, &codes, sizeof codes);
  }
}
#else
template <class F>
void bytes(const CodesGroup& group) {
  const CodesGroup g = group;
  const Channel<F> a = channel<F>(g, 0), b = channel<F>(g, 1), c = channel<F>(g, 2), d = channel<F>(g, 3);
  constexpr uint32_t rounders = kRounderBits + (kRounderBits << 8) + (kRounderBits << 16) + (kRounderBits << 24);
  uint32_t* y = static_cast<uint32_t*>(g.y);
  CHOP_NO_ALIAS for (int s = 0; s < kBlock; ++s) {
    y[s] = code<F>(a, s, g) + (code<F>(b, s, g) << 8) + (code<F>(c, s, g) << 16) + (code<F>(d, s, g) << 24) - rounders;
  }
}
#endif

template <class F>
void shorts(const CodesGroup& group) {
  const CodesGroup g = group;
  const Channel<F> a = channel<F>(g, 0), b = channel<F>(g, 1);
  uint32_t* y = static_cast<uint32_t*>(g.y);
  CHOP_NO_ALIAS for (int s = 0; s < kBlock; ++s) { y[s] = (code<F>(a, s, g) & 0xffffu) | code<F>(b, s, g) << 16; }
}

template <class T, Affine affine, bool scaled, bool formed, bool added>
CodesKernel by_encoding(Encoding to) {
  using F = Form<T, affine, scaled, formed, added>;
  return to == Encoding::u8x4 ? bytes<F> : shorts<F>;
}

template <class T, bool formed, bool added>
CodesKernel by_affine(const Finish& f, bool scaled) {
  if (!f.op.alpha) return by_encoding<T, Affine::none, true, formed, added>(f.to);
  if (f.op.fused_affine)
    return scaled ? by_encoding<T, Affine::fused, true, formed, added>(f.to)
                  : by_encoding<T, Affine::fused, false, formed, added>(f.to);
  return scaled ? by_encoding<T, Affine::separate, true, formed, added>(f.to)
                : by_encoding<T, Affine::separate, false, formed, added>(f.to);
}

// Returns whether anything is scaled.
bool describe(const Finish& f, float scale, bool added, CodesGroup* g) {
  const Elementwise& op = f.op;
  g->before = scale;
  g->after = op.grid.inverse_step;
  g->low = op.relu && op.grid.qmin < 0.0f ? 0.0f : op.grid.qmin;
  g->high = op.grid.qmax;
  g->rounder = kRounder + static_cast<float>(f.zero);
  // Powers of two: one product instead of two, and so large at most that 0 stays 0.
  if (!op.alpha && !added) g->after = clamp(scale * g->after, 0.0f, 0x1p127f);
  return scale != 1.0f || g->after != 1.0f;
}

CodesKernel of_sums(const Finish& f, const SumForm& form, CodesGroup* g) {
  const bool scaled = describe(f, form.scale, form.added, g);
  g->shift = form.shift;
  if (form.added) return by_affine<int32_t, true, true>(f, scaled);
  return form.biased || form.shift > 0 ? by_affine<int32_t, true, false>(f, scaled)
                                       : by_affine<int32_t, false, false>(f, scaled);
}
CodesKernel of_floats(const Finish& f, CodesGroup* g) {
  return by_affine<float, false, false>(f, describe(f, 1.0f, false, g));
}

template <Affine affine, bool relu, bool added, Rounding rounding>
void floats(const FloatsRow& row) {
  const FloatsRow r = row;
  const auto* sums = static_cast<const int32_t*>(r.row);
  using F = Form<int32_t, affine, true, true, added>;
  const auto bias = static_cast<uint32_t>(r.bias);
  CHOP_NO_ALIAS for (int s = 0; s < kBlock; ++s) {
    float v = static_cast<float>(formed<F>(sums[s], r.shift, bias)) * r.scale;
    v = affine_of<affine>(v, r.alpha, r.beta);
    if constexpr (added) v += r.addend[s];
    if constexpr (relu) v = v < 0.0f ? 0.0f : v;
    if constexpr (rounding != Rounding::none)
      v = clamp(round_half_even(v * r.grid.inverse_step), r.grid.qmin, r.grid.qmax);
    if constexpr (rounding == Rounding::values) v *= r.grid.step;
    r.y[s] = v;
  }
}

template <Affine affine, bool relu, bool added>
FloatsKernel floats_rounded(Rounding rounding) {
  switch (rounding) {
    case Rounding::codes: return floats<affine, relu, added, Rounding::codes>;
    case Rounding::values: return floats<affine, relu, added, Rounding::values>;
    case Rounding::none: break;
  }
  return floats<affine, relu, added, Rounding::none>;
}

template <Affine affine>
FloatsKernel floats_by(bool relu, bool added, Rounding rounding) {
  if (added) return relu ? floats_rounded<affine, true, true>(rounding) : floats_rounded<affine, false, true>(rounding);
  return relu ? floats_rounded<affine, true, false>(rounding) : floats_rounded<affine, false, false>(rounding);
}

FloatsKernel floats_of_sums(const Elementwise& op, bool added, Rounding rounding) {
  if (!op.alpha) return floats_by<Affine::none>(op.relu, added, rounding);
  return op.fused_affine ? floats_by<Affine::fused>(op.relu, added, rounding)
                         : floats_by<Affine::separate>(op.relu, added, rounding);
}

}  // namespace

extern const FinishKernels finishes;
const FinishKernels finishes = {of_sums, of_floats, floats_of_sums};

}  // namespace chop::CHOP_ISA
