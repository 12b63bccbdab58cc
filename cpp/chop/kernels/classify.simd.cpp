#include "chop/kernels/simd_tables.h"
// clang-format off: after the tables
#include "chop/kernels/rounding.inl"
// clang-format on

// std::log is a library call on doubles, not a template.
extern "C" double log(double);

namespace chop::CHOP_ISA {
namespace {

// exp(x) for x <= 0, error about 1 ulp: x = n ln2 + r, a polynomial for exp(r), n added to the exponent.
inline float exp_nonpositive(float x) {
  const float bounded = x >= -87.0f ? x : -87.0f;  // NaN too: it must not reach the cast to int
  const float n = round_half_even(bounded * 1.44269504088896341f);
  float r = bounded - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  const int exponent = (static_cast<int>(n) + 127) << 23;
  return p * __builtin_bit_cast(float, exponent);
}

// One pass finds the largest logit (NaN beats all, as in torch), its first index, and the label's logit.
void largest(const float* logits, int classes, const uint16_t* labels, float* best, float* of_label, int32_t* index) {
  for (int s = 0; s < kBlock; ++s) {
    best[s] = of_label[s] = logits[s];
    index[s] = 0;
  }
  for (int c = 1; c < classes; ++c) {
    const float* row = logits + c * kBlock;
    for (int s = 0; s < kBlock; ++s) {
      const float v = row[s];
      // !(v <= best) is also true for a NaN v; best == best keeps the first NaN.
      const bool larger = !(v <= best[s]) & (best[s] == best[s]);
      index[s] = larger ? c : index[s];
      best[s] = larger ? v : best[s];
      of_label[s] = labels[s] == c ? v : of_label[s];
    }
  }
}

// Sum over rows of log(sum exp(z - best)) + best - z_label. The sums lie in [1, classes], so 32 of them multiply
// without overflow in double and share one logarithm.
double cross_entropy(const float* logits, int classes, int valid, const float* best, const float* of_label) {
  float sums[kBlock];
  for (int s = 0; s < kBlock; ++s) sums[s] = 0.0f;
  for (int c = 0; c < classes; ++c) {
    const float* row = logits + c * kBlock;
    for (int s = 0; s < kBlock; ++s) {
      const float distance = row[s] - best[s];
      const float e = exp_nonpositive(distance);
      sums[s] += distance == distance ? e : distance;  // NaN passes through
    }
  }
  double gap[8], product[8];
  for (int l = 0; l < 8; ++l) gap[l] = 0.0, product[l] = 1.0;
  for (int s = 0; s < kBlock; s += 8)
    for (int l = 0; l < 8; ++l) {
      const bool counts = s + l < valid;
      gap[l] += counts ? static_cast<double>(best[s + l]) - static_cast<double>(of_label[s + l]) : 0.0;
      product[l] *= counts ? static_cast<double>(sums[s + l]) : 1.0;
    }
  double loss = 0.0;
  for (int l = 0; l < 8; ++l) loss += gap[l];
  loss += log((product[0] * product[1]) * (product[2] * product[3]));
  loss += log((product[4] * product[5]) * (product[6] * product[7]));
  return loss;
}

void run(const float* logits, int classes, const uint16_t* labels, int valid, bool want_loss, BlockScore* score) {
  float best[kBlock], of_label[kBlock];
  largest(logits, classes, labels, best, of_label, score->predicted);
  score->loss = want_loss ? cross_entropy(logits, classes, valid, best, of_label) : 0.0;
}

}  // namespace

extern const ClassifyKernel classify;
const ClassifyKernel classify = run;

}  // namespace chop::CHOP_ISA
