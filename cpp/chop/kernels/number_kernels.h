// The kernels of number formats of each instruction set, and of the active one.
#pragma once

#include "chop/core/cpu_isa.h"
#include "chop/kernels/number_rule.h"

namespace chop {

struct NumberTable {
  NumberKernels<float> f32;
  NumberKernels<double> f64;
};

const NumberTable& number_kernels(Isa isa);  // an available one
const NumberTable& number_kernels();
const NumberBlockKernels& number_block_kernels(Isa isa);
const NumberBlockKernels& number_block_kernels();

}  // namespace chop
