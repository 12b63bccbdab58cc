// Sums that are exact in float: the compiler may fuse, which changes nothing but the speed. See CMakeLists.txt.
#include "chop/kernels/simd_tables.h"
// clang-format off: after the tables
#include "chop/kernels/product.inl"
// clang-format on

namespace chop::CHOP_ISA {
namespace {

void run(const Product& p) { product<FloatSums<float>>(p); }

}  // namespace

extern const ProductKernel exact_product;
const ProductKernel exact_product = run;

}  // namespace chop::CHOP_ISA
