#include "chop/kernels/simd_tables.h"
// clang-format off: after the tables
#include "chop/kernels/vector.inl"
// clang-format on

namespace chop::CHOP_ISA {
namespace {

template <class T>
struct Bits;
template <>
struct Bits<float> {
  typedef int type __attribute__((vector_size(kLanes * 4)));
  static constexpr int mantissa = 23, bias = 127;
  static constexpr float magic = 12582912.0f, largest = 88.0f, log2_high = 0.693359375f, log2_low = -2.12194440e-4f;
};
template <>
struct Bits<double> {
  typedef long long type __attribute__((vector_size(kLanes * 4)));
  static constexpr int mantissa = 52, bias = 1023;
  static constexpr double magic = 6755399441055744.0, largest = 708.0, log2_high = 0.693147180369123816490,
                          log2_low = 1.90821492927058770002e-10;
};

// The polynomials of exp(r) for |r| <= log(2) / 2: of Cephes in float (1 ulp), the series in double.
inline VectorOf<float>::type exp_part(VectorOf<float>::type r) {
  auto p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  return p * (r * r) + r + 1.0f;
}
inline VectorOf<double>::type exp_part(VectorOf<double>::type r) {
  auto p = r * (1.0 / 479001600) + 1.0 / 39916800;
  p = p * r + 1.0 / 3628800;
  p = p * r + 1.0 / 362880;
  p = p * r + 1.0 / 40320;
  p = p * r + 1.0 / 5040;
  p = p * r + 1.0 / 720;
  p = p * r + 1.0 / 120;
  p = p * r + 1.0 / 24;
  p = p * r + 1.0 / 6;
  p = p * r + 1.0 / 2;
  p = p * r + 1.0;
  return p * r + 1.0;
}

// exp(x) for x <= 0; NaN stays.
template <class T>
inline typename VectorOf<T>::type exp_of(typename VectorOf<T>::type x) {
  using V = typename VectorOf<T>::type;
  using B = Bits<T>;
  const V bounded = x < -B::largest + T(1) ? V{} + (-B::largest + T(1)) : x;
  const V shifted = bounded * T(1.4426950408889634) + B::magic;
  const V n = shifted - B::magic;
  const V r = (bounded - n * B::log2_high) - n * B::log2_low;
  const auto exponent = (__builtin_bit_cast(typename B::type, shifted) + B::bias) << B::mantissa;
  return exp_part(r) * __builtin_bit_cast(V, exponent);
}

// log(x) for x >= 1, by 2 artanh((m - 1) / (m + 1)), m between sqrt(1/2) and sqrt(2).
template <class T>
inline typename VectorOf<T>::type log_of(typename VectorOf<T>::type x) {
  using V = typename VectorOf<T>::type;
  using B = Bits<T>;
  const auto bits = __builtin_bit_cast(typename B::type, x);
  const auto fraction = (bits & ((1ll << B::mantissa) - 1)) | (static_cast<long long>(B::bias - 1) << B::mantissa);
  const V half = __builtin_bit_cast(V, static_cast<typename B::type>(fraction));
  const auto low = half < T(0.70710678118654752);
  const V m = low ? half + half : half;
  const V n = __builtin_convertvector((bits >> B::mantissa), V) - (low ? V{} + T(B::bias) : V{} + T(B::bias - 1));
  const V f = (m - T(1)) / (m + T(1)), z = f * f;
  V p = z * T(1.0 / 17) + T(1.0 / 15);
  p = p * z + T(1.0 / 13);
  p = p * z + T(1.0 / 11);
  p = p * z + T(1.0 / 9);
  p = p * z + T(1.0 / 7);
  p = p * z + T(1.0 / 5);
  p = p * z + T(1.0 / 3);
  return n * T(0.693147180559945309417) + (f + f + (f + f) * z * p);
}

template <class T>
struct Row {
  typename VectorOf<T>::type largest, place, sum, own;
};

// The largest logit of each sample with its place, the sum of exp(logit - largest), and the logit of its label (or the
// mean logit of what is wanted).
template <class T>
inline Row<T> look_at(const TrainLoss<T>& p, int s, typename VectorOf<T>::type label) {
  using V = typename VectorOf<T>::type;
  const int64_t ld = p.block.ld;
  Row<T> row{load(p.logits + s), V{}, V{}, V{}};
  for (int c = 1; c < p.classes; ++c) {
    const V logit = load(p.logits + c * ld + s);
    const auto better = logit > row.largest;
    row.place = better ? V{} + T(c) : row.place;
    row.largest = better ? logit : row.largest;
  }
  for (int c = 0; c < p.classes; ++c) {
    const V logit = load(p.logits + c * ld + s);
    const V power = exp_of<T>(logit - row.largest);
    row.sum += power;
    if (p.wanted) {
      row.own += load(p.wanted + c * ld + s) * logit;
    } else {
      row.own = label == T(c) ? logit : row.own;
    }
    if (p.gradient) store(p.gradient + c * ld + s, power);
  }
  return row;
}

template <class T>
double loss(const TrainLoss<T>& p) {
  using V = typename VectorOf<T>::type;
  constexpr int lanes = VectorOf<T>::lanes;
  V place;
  CHOP_UNROLL for (int l = 0; l < lanes; ++l) place[l] = static_cast<T>(l);
  V total{};
  for (int s = 0; s < p.block.rows; s += lanes) {
    const V label = load(p.labels + s);
    const Row<T> row = look_at(p, s, label);
    const auto valid = place < static_cast<T>(p.block.valid - s);
    const V log_sum = row.sum == row.sum ? log_of<T>(row.sum) : row.sum;  // NaN stays
    total += valid ? log_sum + (row.largest - row.own) : V{};
    store(p.predicted + s, row.place);
    if (!p.gradient) continue;
    const V factor = valid ? p.scale / row.sum : V{};
    const V hit = valid ? V{} + p.scale : V{};
    for (int c = 0; c < p.classes; ++c) {
      T* gradient = p.gradient + c * p.block.ld + s;
      const V share = load(gradient) * factor;
      if (p.wanted) {
        store(gradient, share - hit * load(p.wanted + c * p.block.ld + s));
      } else {
        store(gradient, label == T(c) ? share - hit : share);
      }
    }
  }
  for (int s = 0; s < p.block.valid; ++s)
    ++p.confusion[static_cast<int64_t>(p.labels[s]) * p.classes + static_cast<int64_t>(p.predicted[s])];
  double sum = 0;
  for (int l = 0; l < lanes; ++l) sum += static_cast<double>(total[l]);
  return sum;
}

}  // namespace

extern const TrainLossKernel<float> train_loss_f32;
extern const TrainLossKernel<double> train_loss_f64;
const TrainLossKernel<float> train_loss_f32 = loss<float>;
const TrainLossKernel<double> train_loss_f64 = loss<double>;

}  // namespace chop::CHOP_ISA
