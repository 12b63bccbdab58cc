#include "chop/kernels/kernels.h"
#include "chop/kernels/simd_tables.h"

namespace chop {
namespace {

#define CHOP_TABLE(ns)                                                                                                \
  {                                                                                                                   \
#ns, ns::fake_quantize.f32, ns::fake_quantize.f64, ns::fake_quantize.each_f32, ns::fake_quantize.each_f64,        \
        ns::matrix_product, ns::elementwise, ns::encode,                                                              \
        {ns::integer_products.u8x4, ns::integer_products.s16x2, ns::integer_products.whole, ns::exact_products.exact, \
         ns::ordered_product, ns::exact_products.wide },                                                              \
         ns::classify.rows, ns::classify.counts, ns::outputs, ns::moments_f32, ns::moments_f64, ns::windows.f32,      \
         ns::windows.f64, ns::squared_errors, ns::activation, ns::row_kernels,                                        \
         {ns::gathers.gather, ns::depthwise_kernel, ns::gathers.sum_wide },                                           \
          {ns::train_linear_f32, ns::train_norm_f32, ns::train_loss_f32, ns::train_elementwise_f32,                   \
           ns::train_update_f32, ns::train_narrow_f32, ns::train_learned_f32, ns::train_windows_f32,                  \
           ns::train_row_norms_f32, ns::train_sparse_f32 },                                                           \
    {                                                                                                                 \
      ns::train_linear_f64, ns::train_norm_f64, ns::train_loss_f64, ns::train_elementwise_f64, ns::train_update_f64,  \
          ns::train_narrow_f64, ns::train_learned_f64, ns::train_windows_f64, ns::train_row_norms_f64,                \
          ns::train_sparse_f64                                                                                        \
    }                                                                                                                 \
  }

const KernelTable baseline_table = CHOP_TABLE(baseline);
#ifdef CHOP_HAS_avx2
const KernelTable avx2_table = CHOP_TABLE(avx2);
const KernelTable avx512_table = CHOP_TABLE(avx512);
#endif
#ifdef CHOP_HAS_amx
const KernelTable amx_table = [] {
  KernelTable table = CHOP_TABLE(avx512);
  table.isa = "amx";
  table.product.u8x4 = amx::u8x4_product;
  table.product.has_matrices = true;
  return table;
}();
#endif

}  // namespace

const KernelTable& kernels([[maybe_unused]] Isa isa) {
#ifdef CHOP_HAS_amx
  if (isa == Isa::amx) return amx_table;
#endif
#ifdef CHOP_HAS_avx2
  if (isa == Isa::avx512) return avx512_table;
  if (isa == Isa::avx2) return avx2_table;
#endif
  return baseline_table;
}

const KernelTable& kernels() { return kernels(active_isa()); }

}  // namespace chop
