// Sums that are exact in float: the compiler may fuse, which changes nothing but the speed. See CMakeLists.txt.
#include "chop/kernels/simd_tables.h"
// clang-format off: after the tables
#include "chop/kernels/vector.inl"
// clang-format on

namespace chop::CHOP_ISA {
namespace {

void run(const float* x, const float* weight, const float* bias, float* y, int in, int out) {
  linear_block<float>(x, weight, bias, y, in, out);
}

}  // namespace

extern const LinearExactKernel linear_exact;
const LinearExactKernel linear_exact = run;

}  // namespace chop::CHOP_ISA
