// From sums or floats to what the next layer reads. In a file of its own: here nothing may be fused that the caller did
// not ask for, which the exact products allow.
#include "chop/kernels/simd_tables.h"
// clang-format off: after the tables
#include "chop/kernels/rounding.inl"
// clang-format on

namespace chop::CHOP_ISA {
namespace {

enum class Affine { none, fused, separate };

// Added to a float below 2^22, it leaves room for no fraction: the sum is rounded half to even, and the integer stands
// in its last bits, in two's complement.
constexpr float kRounder = 12582912.0f;
constexpr uint32_t kRounderBits = 0x4b400000u;

struct Codes {
  float before, after, low, high, rounder;
};

template <class T>
Codes codes_of(const FinishTile& t, Affine affine) {
  const Elementwise& op = t.finish->op;
  const float scale = __is_same(T, float) ? 1.0f : t.scale;
  Codes c{scale, op.grid.inverse_step, op.grid.qmin, op.grid.qmax, kRounder + static_cast<float>(t.finish->zero)};
  // Powers of two: one product instead of two, and so large at most that 0 stays 0.
  if (affine == Affine::none) c.after = clamp(scale * c.after, 0.0f, 0x1p127f);
  if (op.relu && c.low < 0.0f) c.low = 0.0f;
  return c;
}

// The code plus the rounder's bits. NaN becomes `low`: it must not reach its neighbours in the group.
template <class T, Affine affine, bool scaled>
inline uint32_t code(T sum, float alpha, float beta, const Codes& c) {
  float v = static_cast<float>(sum);
  if constexpr (affine != Affine::none && scaled) v *= c.before;
  if constexpr (affine == Affine::fused) v = fused_multiply_add(v, alpha, beta);
  if constexpr (affine == Affine::separate) v = v * alpha + beta;
  if constexpr (affine == Affine::none || scaled) v *= c.after;
  v = v > c.low ? v : c.low;
  v = v < c.high ? v : c.high;
  return __builtin_bit_cast(uint32_t, v + c.rounder);
}

// A tile's rows and their constants. A missing row stands for the first one, and is blotted out at the end.
template <class T, Affine affine>
struct Channels {
  const T* row[kTile];
  float alpha[kTile], beta[kTile];
  uint32_t missing = 0;  // one bit each

  explicit Channels(const FinishTile& t) {
    const Elementwise& op = t.finish->op;
    const void* any = t.rows[0];
    for (int i = 1; i < kTile; ++i) any = any ? any : t.rows[i];
    for (int i = 0; i < kTile; ++i) {
      const bool here = t.rows[i] != nullptr;
      row[i] = static_cast<const T*>(here ? t.rows[i] : any);
      alpha[i] = affine != Affine::none && here ? op.alpha[t.channel + i] : 0.0f;
      beta[i] = affine != Affine::none && here ? op.beta[t.channel + i] : 0.0f;
      missing |= here ? 0u : 1u << i;
    }
  }
};

// Words of `y` where only the bits of `keep` stay; the others become those of `fill`.
void blot_out(uint32_t* y, uint32_t keep, uint32_t fill) {
  for (int s = 0; s < kBlock; ++s) y[s] = (y[s] & keep) | (fill & ~keep);
}

template <class T, Affine affine, bool scaled>
void bytes(const FinishTile& t) {
  const Codes c = codes_of<T>(t, affine);
  const Channels<T, affine> from(t);
  uint32_t* __restrict y = static_cast<uint32_t*>(t.y);
  if (from.missing != 0xf) {
    const T *a = from.row[0], *b = from.row[1], *d = from.row[2], *e = from.row[3];
    constexpr uint32_t rounders = kRounderBits + (kRounderBits << 8) + (kRounderBits << 16) + (kRounderBits << 24);
    for (int s = 0; s < kBlock; ++s)
      y[s] = code<T, affine, scaled>(a[s], from.alpha[0], from.beta[0], c) +
             (code<T, affine, scaled>(b[s], from.alpha[1], from.beta[1], c) << 8) +
             (code<T, affine, scaled>(d[s], from.alpha[2], from.beta[2], c) << 16) +
             (code<T, affine, scaled>(e[s], from.alpha[3], from.beta[3], c) << 24) - rounders;
  }
  if (from.missing == 0) return;
  uint32_t keep = 0;
  for (int i = 0; i < kTile; ++i) keep |= from.missing & 1u << i ? 0u : 0xffu << 8 * i;
  blot_out(y, keep, static_cast<uint32_t>(t.finish->zero) * 0x01010101u);
}

template <class T, Affine affine, bool scaled>
void shorts(const FinishTile& t) {
  const Codes c = codes_of<T>(t, affine);
  const Channels<T, affine> from(t);
  for (int i = 0; i < kTile; i += 2) {
    const uint32_t missing = from.missing >> i & 3u;
    if (i > 0 && missing == 3) return;  // that group belongs to somebody else, or does not exist
    uint32_t* __restrict y = reinterpret_cast<uint32_t*>(static_cast<char*>(t.y) + i / 2 * t.stride);
    const T *a = from.row[i], *b = from.row[i + 1];
    if (missing != 3)
      for (int s = 0; s < kBlock; ++s)
        y[s] = (code<T, affine, scaled>(a[s], from.alpha[i], from.beta[i], c) & 0xffffu) |
               code<T, affine, scaled>(b[s], from.alpha[i + 1], from.beta[i + 1], c) << 16;
    if (missing) blot_out(y, missing == 1 ? 0xffff0000u : missing == 2 ? 0xffffu : 0u, 0u);
  }
}

// Rows of floats: the elementwise kernel knows all roundings.
template <class T>
void floats(const FinishTile& t) {
  Elementwise op = t.finish->op;
  op.alpha = op.alpha ? op.alpha + t.channel : nullptr;
  op.beta = op.beta ? op.beta + t.channel : nullptr;
  for (int i = 0; i < kTile && t.rows[i]; ++i) {
    const T* from = static_cast<const T*>(t.rows[i]);
    float* y = reinterpret_cast<float*>(static_cast<char*>(t.y) + i * t.stride);
    float scaled[kBlock];
    if constexpr (!__is_same(T, float)) {
      for (int s = 0; s < kBlock; ++s) scaled[s] = static_cast<float>(from[s]) * t.scale;
      elementwise(op, scaled, y, 1);
    } else {
      elementwise(op, from, y, 1);
    }
    if (op.alpha) ++op.alpha, ++op.beta;
  }
}

template <class T, Affine affine, bool scaled>
FinishKernel by_encoding(Encoding to) {
  switch (to) {
    case Encoding::u8x4: return bytes<T, affine, scaled>;
    case Encoding::s16x2: return shorts<T, affine, scaled>;
    case Encoding::f32: break;
  }
  return floats<T>;
}

template <class T>
FinishKernel choose(const Finish& f, float scale) {
  const bool scaled = scale != 1.0f || f.op.grid.inverse_step != 1.0f;
  if (!f.op.alpha) return by_encoding<T, Affine::none, true>(f.to);
  if (f.op.fused_affine)
    return scaled ? by_encoding<T, Affine::fused, true>(f.to) : by_encoding<T, Affine::fused, false>(f.to);
  return scaled ? by_encoding<T, Affine::separate, true>(f.to) : by_encoding<T, Affine::separate, false>(f.to);
}

FinishKernel of_sums(const Finish& f, float scale) { return choose<int32_t>(f, scale); }
FinishKernel of_floats(const Finish& f) { return choose<float>(f, 1.0f); }

}  // namespace

extern const FinishKernels finishes;
const FinishKernels finishes = {of_sums, of_floats};

}  // namespace chop::CHOP_ISA
