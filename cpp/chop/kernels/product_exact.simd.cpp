// Products that may be fused with their sums, which changes nothing but the speed. See CMakeLists.txt.
#include "chop/kernels/simd_tables.h"
// clang-format off: after the tables
#include "chop/kernels/product.inl"
// clang-format on

namespace chop::CHOP_ISA {
namespace {

// Sums that are exact in float.
void exact(const Product& p) { product<FloatSums<float>>(p); }

// The product of two floats is exact in double, so that a fused step rounds where two steps do.
void wide(const Product& p) { product<FloatSums<double>>(p); }

}  // namespace

extern const ExactProducts exact_products;
const ExactProducts exact_products = {exact, wide};

}  // namespace chop::CHOP_ISA
