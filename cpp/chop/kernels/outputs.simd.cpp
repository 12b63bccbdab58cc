#include "chop/kernels/simd_tables.h"
// clang-format off: after the tables
#include "chop/kernels/rounding.inl"
// clang-format on

// std::log is a library call on doubles, not a template.
extern "C" double log(double);

namespace chop::CHOP_ISA {
namespace {

constexpr int kSums = 8;  // partial sums, the same on every instruction set

// exp(x) for x <= 0, error about 1 ulp: x = n ln2 + r, the series of exp(r), n added to the exponent. 0 below -708.
inline double exp_nonpositive(double x) {
  const double bounded = x >= -708.0 ? x : -708.0;  // NaN too: it must not become an exponent
  const double n = round_half_even(bounded * 1.4426950408889634);
  double r = bounded - n * 6.93145751953125e-1;
  r = r - n * 1.42860682030941723212e-6;
  double p = 1.0 / 6227020800.0;
  p = p * r + 1.0 / 479001600.0;
  p = p * r + 1.0 / 39916800.0;
  p = p * r + 1.0 / 3628800.0;
  p = p * r + 1.0 / 362880.0;
  p = p * r + 1.0 / 40320.0;
  p = p * r + 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  p = p * r + 1.0;
  p = p * r + 1.0;
  // Beside 1.5 * 2^52 the last bits are n as an integer; no instruction set before AVX-512 converts eight at once.
  const long long bits = __builtin_bit_cast(long long, n + 6755399441055744.0);
  const long long exponent = static_cast<long long>(static_cast<unsigned long long>(bits + 1023) << 52);
  const double e = x >= -708.0 ? p * __builtin_bit_cast(double, exponent) : 0.0;
  return x == x ? e : x;
}

// The largest logit of each row; NaN where there is one.
void largest(const float* logits, int classes, float* best) {
  for (int s = 0; s < kBlock; ++s) best[s] = logits[s];
  for (int c = 1; c < classes; ++c) {
    const float* row = logits + c * kBlock;
    for (int s = 0; s < kBlock; ++s) best[s] = !(row[s] <= best[s]) & (best[s] == best[s]) ? row[s] : best[s];
  }
}

void row_losses(const float* logits, int classes, const uint16_t* labels, int valid, double* losses) {
  float best[kBlock];
  double sums[kBlock];
  largest(logits, classes, best);
  for (int s = 0; s < kBlock; ++s) sums[s] = 0.0;
  for (int c = 0; c < classes; ++c) {
    const float* row = logits + c * kBlock;
    for (int s = 0; s < kBlock; ++s)
      sums[s] += exp_nonpositive(static_cast<double>(row[s]) - static_cast<double>(best[s]));
  }
  for (int s = 0; s < valid; ++s) {
    const float of_label = logits[static_cast<int>(labels[s]) * kBlock + s];
    losses[s] = log(sums[s]) + (static_cast<double>(best[s]) - static_cast<double>(of_label));
  }
}

SquareSums squares(const float* logits, const float* reference, int classes, int valid) {
  double error[kSums], signal[kSums];
  for (int l = 0; l < kSums; ++l) error[l] = signal[l] = 0.0;
  for (int c = 0; c < classes; ++c)
    for (int s = 0; s < kBlock; s += kSums)
      for (int l = 0; l < kSums; ++l) {
        const bool counts = s + l < valid;
        const double r = static_cast<double>(reference[c * kBlock + s + l]);
        const double difference = static_cast<double>(logits[c * kBlock + s + l]) - r;
        error[l] += counts ? difference * difference : 0.0;
        signal[l] += counts ? r * r : 0.0;
      }
  const auto total = [](const double* v) { return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7])); };
  return {total(error), total(signal)};
}

// KL(p || q) = sum p (log p - log q) = sum e (u - v) / sum e - log sum e + log sum exp v, where u and v are the
// distances of the logits from the largest, e = exp u. The ratios of the sums lie in [1 / classes, classes], so 32 of
// them multiply without overflow and share one logarithm.
double divergence(const float* logits, const float* reference, int classes, int valid) {
  float best[kBlock], best_reference[kBlock];
  largest(logits, classes, best);
  largest(reference, classes, best_reference);
  double sums[kBlock], sums_reference[kBlock], weighted[kBlock];
  for (int s = 0; s < kBlock; ++s) sums[s] = sums_reference[s] = weighted[s] = 0.0;
  for (int c = 0; c < classes; ++c) {
    const float *row = logits + c * kBlock, *row_reference = reference + c * kBlock;
    for (int s = 0; s < kBlock; ++s) {
      const double u = static_cast<double>(row_reference[s]) - static_cast<double>(best_reference[s]);
      const double v = static_cast<double>(row[s]) - static_cast<double>(best[s]);
      const double e = exp_nonpositive(u);
      sums[s] += exp_nonpositive(v);
      sums_reference[s] += e;
      weighted[s] += e == 0.0 ? 0.0 : e * (u - v);  // what has no probability adds nothing
    }
  }
  double sum[kSums], ratios[kSums];
  for (int l = 0; l < kSums; ++l) sum[l] = 0.0, ratios[l] = 1.0;
  for (int s = 0; s < kBlock; s += kSums)
    for (int l = 0; l < kSums; ++l) {
      const bool counts = s + l < valid;
      sum[l] += counts ? weighted[s + l] / sums_reference[s + l] : 0.0;
      ratios[l] *= counts ? sums[s + l] / sums_reference[s + l] : 1.0;
    }
  double total = 0.0;
  for (int l = 0; l < kSums; ++l) total += sum[l];
  total += log((ratios[0] * ratios[1]) * (ratios[2] * ratios[3]));
  total += log((ratios[4] * ratios[5]) * (ratios[6] * ratios[7]));
  return total;
}

}  // namespace

extern const OutputKernels outputs;
const OutputKernels outputs = {row_losses, squares, divergence};

}  // namespace chop::CHOP_ISA
