// 8-bit products by AMX tiles; all else on such a processor is what AVX-512 does.
#include "chop/kernels/simd_tables.h"

namespace chop::amx {
using avx512::elementwise;
using avx512::finishes;
}  // namespace chop::amx
// clang-format off: after the tables
#include "chop/kernels/product_matrices.inl"
// clang-format on

namespace chop::amx {
namespace {

// The instructions name their tiles, so each number has a line of its own.
#define CHOP_EACH_TILE(ONE) ONE(0) ONE(1) ONE(2) ONE(3) ONE(4) ONE(5) ONE(6) ONE(7)

// Not every compiler's intrinsics say which memory they read: what was written must be there before (findings/).
inline void memory_is_read() { __asm__ volatile("" ::: "memory"); }

struct Tiles {
  static void begin() {
    struct alignas(64) {
      uint8_t palette = 1, start = 0, reserved[14] = {};
      uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    } shapes;
    static_assert(sizeof shapes == 64);
    memory_is_read();
    _tile_loadconfig(&shapes);
  }
  static void end() { _tile_release(); }

  template <int tile>
  static void zero() {
#define CHOP_ONE(n) \
  if constexpr (tile == n) _tile_zero(n);
    CHOP_EACH_TILE(CHOP_ONE)
#undef CHOP_ONE
  }
  template <int tile>
  static void load(const void* from, int64_t distance) {
    memory_is_read();
#define CHOP_ONE(n) \
  if constexpr (tile == n) _tile_loadd(n, from, distance);
    CHOP_EACH_TILE(CHOP_ONE)
#undef CHOP_ONE
  }
  template <int tile>
  static void store(void* to, int64_t distance) {
#define CHOP_ONE(n) \
  if constexpr (tile == n) _tile_stored(n, to, distance);
    CHOP_EACH_TILE(CHOP_ONE)
#undef CHOP_ONE
  }
  template <int sum, int weights, int samples>
  static void add() {
#define CHOP_ADD(s, w, x) \
  if constexpr (sum == s && weights == w && samples == x) _tile_dpbsud(s, w, x);
    CHOP_ADD(0, 4, 6)
    CHOP_ADD(1, 4, 7) CHOP_ADD(2, 5, 6) CHOP_ADD(3, 5, 7)                        // squares
        CHOP_ADD(0, 4, 5) CHOP_ADD(1, 4, 6) CHOP_ADD(2, 4, 7) CHOP_ADD(3, 4, 5)  // lines
#undef CHOP_ADD
  }
};

#undef CHOP_EACH_TILE

void u8x4(const Product& p) {
  if (p.matrices) return product_of_matrices<Tiles>(p);
  avx512::integer_products.u8x4(p);
}

}  // namespace

extern const ProductKernel u8x4_product;
const ProductKernel u8x4_product = u8x4;

}  // namespace chop::amx
