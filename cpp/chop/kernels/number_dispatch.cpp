#include "chop/kernels/number_kernels.h"

namespace chop {

#define CHOP_DECLARE_NUMBERS(ns)                 \
  namespace ns {                                 \
  extern const NumberTable numbers;              \
  extern const NumberBlockKernels number_blocks; \
  }
CHOP_DECLARE_NUMBERS(baseline)
#ifdef CHOP_HAS_avx2
CHOP_DECLARE_NUMBERS(avx2)
CHOP_DECLARE_NUMBERS(avx512)
#endif
#undef CHOP_DECLARE_NUMBERS

const NumberTable& number_kernels([[maybe_unused]] Isa isa) {
#ifdef CHOP_HAS_avx2
  if (isa >= Isa::avx512) return avx512::numbers;
  if (isa == Isa::avx2) return avx2::numbers;
#endif
  return baseline::numbers;
}

const NumberTable& number_kernels() { return number_kernels(active_isa()); }

const NumberBlockKernels& number_block_kernels([[maybe_unused]] Isa isa) {
#ifdef CHOP_HAS_avx2
  if (isa >= Isa::avx512) return avx512::number_blocks;
  if (isa == Isa::avx2) return avx2::number_blocks;
#endif
  return baseline::number_blocks;
}

const NumberBlockKernels& number_block_kernels() { return number_block_kernels(active_isa()); }

}  // namespace chop
