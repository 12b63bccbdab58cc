// From sums or floats to the codes that the next layer reads. In a file of its own: here nothing may be fused that the
// caller did not ask for, which the exact products allow.
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

// The code plus the rounder's bits. NaN becomes `low`: it must not reach its neighbours in the group.
template <class T, Affine affine, bool scaled>
inline uint32_t code(T sum, float alpha, float beta, const CodesGroup& g) {
  float v = static_cast<float>(sum);
  if constexpr (affine != Affine::none && scaled) v *= g.before;
  if constexpr (affine == Affine::fused) v = fused_multiply_add(v, alpha, beta);
  if constexpr (affine == Affine::separate) v = v * alpha + beta;
  if constexpr (affine == Affine::none || scaled) v *= g.after;
  v = v > g.low ? v : g.low;
  v = v < g.high ? v : g.high;
  return __builtin_bit_cast(uint32_t, v + g.rounder);
}

template <class T>
struct Channel {
  const T* row;
  float alpha, beta;
};

template <class T, bool affine>
inline Channel<T> channel(const CodesGroup& g, int i) {
  return {static_cast<const T*>(g.row[i]), affine ? g.alpha[i] : 1.0f, affine ? g.beta[i] : 0.0f};
}

template <class T, Affine affine, bool scaled>
void bytes(const CodesGroup& group) {
  const CodesGroup g = group;
  constexpr bool with = affine != Affine::none;
  const Channel<T> a = channel<T, with>(g, 0), b = channel<T, with>(g, 1);
  const Channel<T> c = channel<T, with>(g, 2), d = channel<T, with>(g, 3);
  constexpr uint32_t rounders = kRounderBits + (kRounderBits << 8) + (kRounderBits << 16) + (kRounderBits << 24);
  uint32_t* y = static_cast<uint32_t*>(g.y);
  CHOP_NO_ALIAS for (int s = 0; s < kBlock; ++s) {
    y[s] = code<T, affine, scaled>(a.row[s], a.alpha, a.beta, g) +
           (code<T, affine, scaled>(b.row[s], b.alpha, b.beta, g) << 8) +
           (code<T, affine, scaled>(c.row[s], c.alpha, c.beta, g) << 16) +
           (code<T, affine, scaled>(d.row[s], d.alpha, d.beta, g) << 24) - rounders;
  }
}

template <class T, Affine affine, bool scaled>
void shorts(const CodesGroup& group) {
  const CodesGroup g = group;
  constexpr bool with = affine != Affine::none;
  const Channel<T> a = channel<T, with>(g, 0), b = channel<T, with>(g, 1);
  uint32_t* y = static_cast<uint32_t*>(g.y);
  CHOP_NO_ALIAS for (int s = 0; s < kBlock; ++s) {
    y[s] = (code<T, affine, scaled>(a.row[s], a.alpha, a.beta, g) & 0xffffu) |
           code<T, affine, scaled>(b.row[s], b.alpha, b.beta, g) << 16;
  }
}

template <class T, Affine affine, bool scaled>
CodesKernel by_encoding(Encoding to) {
  return to == Encoding::u8x4 ? bytes<T, affine, scaled> : shorts<T, affine, scaled>;
}

template <class T>
CodesKernel choose(const Finish& f, float scale, CodesGroup* g) {
  const Elementwise& op = f.op;
  g->before = scale;
  g->after = op.grid.inverse_step;
  g->low = op.relu && op.grid.qmin < 0.0f ? 0.0f : op.grid.qmin;
  g->high = op.grid.qmax;
  g->rounder = kRounder + static_cast<float>(f.zero);
  if (!op.alpha) {
    // Powers of two: one product instead of two, and so large at most that 0 stays 0.
    g->after = clamp(scale * g->after, 0.0f, 0x1p127f);
    return by_encoding<T, Affine::none, true>(f.to);
  }
  const bool scaled = scale != 1.0f || g->after != 1.0f;
  if (op.fused_affine)
    return scaled ? by_encoding<T, Affine::fused, true>(f.to) : by_encoding<T, Affine::fused, false>(f.to);
  return scaled ? by_encoding<T, Affine::separate, true>(f.to) : by_encoding<T, Affine::separate, false>(f.to);
}

CodesKernel of_sums(const Finish& f, float scale, CodesGroup* g) { return choose<int32_t>(f, scale, g); }
CodesKernel of_floats(const Finish& f, CodesGroup* g) { return choose<float>(f, 1.0f, g); }

}  // namespace

extern const FinishKernels finishes;
const FinishKernels finishes = {of_sums, of_floats};

}  // namespace chop::CHOP_ISA
