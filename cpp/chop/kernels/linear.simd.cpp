// Sums that round: always separate multiply and add, in input order, so that every instruction set gives the same bits.
#include "chop/kernels/simd_tables.h"
// clang-format off: after the tables
#include "chop/kernels/vector.inl"
// clang-format on

namespace chop::CHOP_ISA {
namespace {

void ordered(const float* x, const float* weight, const float* bias, float* y, int in, int out) {
  linear_block<float>(x, weight, bias, y, in, out);
}

// The products of two floats are exact in double, and so are their sums as long as they stay below 2^53 grid units.
void wide(const float* x, const double* weight, const double* bias, float* y, int in, int out) {
  for (int o = 0; o < out; ++o) {
    double sum[kBlock];
    const double start = bias ? bias[o] : 0.0;
    for (int s = 0; s < kBlock; ++s) sum[s] = start;
    for (int i = 0; i < in; ++i) {
      const double w = weight[o * in + i];
      const float* column = x + i * kBlock;
      for (int s = 0; s < kBlock; ++s) sum[s] += static_cast<double>(column[s]) * w;
    }
    for (int s = 0; s < kBlock; ++s) y[o * kBlock + s] = static_cast<float>(sum[s]);
  }
}

}  // namespace

extern const LinearKernels linear;
const LinearKernels linear = {ordered, wide};

}  // namespace chop::CHOP_ISA
