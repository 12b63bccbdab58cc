// The plain loops of product.h, for the table of reference.cpp.
#pragma once

#include "chop/kernels/product.h"

namespace chop::reference {

void encode(const Encode& e);
void u8x4(const Product& p);
void s16x2(const Product& p);
void whole(const Product& p);
void exact(const Product& p);
void ordered(const Product& p);
void wide(const Product& p);

}  // namespace chop::reference
