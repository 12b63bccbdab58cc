// Sums that round: always separate multiply and add, in the same order, so that every instruction set gives the same
// bits.
#include "chop/kernels/simd_tables.h"
// clang-format off: after the tables
#include "chop/kernels/product.inl"
// clang-format on

namespace chop::CHOP_ISA {
namespace {

void ordered(const Product& p) { product<FloatSums<float>>(p); }

// The products of two floats are exact in double, and so are their sums as long as they stay below 2^53 grid units.
void wide(const Product& p) { product<FloatSums<double>>(p); }

}  // namespace

extern const OrderedProducts ordered_products;
const OrderedProducts ordered_products = {ordered, wide};

}  // namespace chop::CHOP_ISA
