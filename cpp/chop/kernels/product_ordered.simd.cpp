// Sums that round: always separate multiply and add, in the same order, so that every instruction set gives the same
// bits.
#include "chop/kernels/simd_tables.h"
// clang-format off: after the tables
#include "chop/kernels/product.inl"
// clang-format on

namespace chop::CHOP_ISA {
namespace {

void ordered(const Product& p) { product<FloatSums<float>>(p); }

}  // namespace

extern const ProductKernel ordered_product;
const ProductKernel ordered_product = ordered;

}  // namespace chop::CHOP_ISA
