// Products whose sums are integers.
#include "chop/kernels/simd_tables.h"
// clang-format off: after the tables
#include "chop/kernels/product.inl"
// clang-format on

namespace chop::CHOP_ISA {
namespace {

void u8x4(const Product& p) { product<IntegerSums<Codes8, 4>>(p); }
void s16x2(const Product& p) { product<IntegerSums<Codes16, 4>>(p); }
void whole(const Product& p) { product<IntegerSums<CodesWhole, 4>>(p); }

}  // namespace

extern const IntegerProducts integer_products;
const IntegerProducts integer_products = {u8x4, s16x2, whole};

}  // namespace chop::CHOP_ISA
