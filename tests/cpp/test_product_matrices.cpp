// Products by matrices with a plain unit in the place of the processor's, so that they are compared everywhere; where
// the processor has tiles, the tests of all instruction sets compare those too.
#include <cstring>

#include "chop/kernels/simd_tables.h"
#include "products.h"

// The kernel's code for an instruction set of its own, with the baseline's endings.
#define CHOP_ISA plain_matrices
namespace chop::plain_matrices {
using baseline::elementwise;
using baseline::finishes;
}  // namespace chop::plain_matrices
#include "chop/kernels/product_matrices.inl"
#undef CHOP_ISA

namespace chop {
namespace {

using namespace testing;

// Each number as the manual of the instructions defines it.
struct PlainUnit {
  struct Matrix {
    uint8_t byte[16][64];
  };
  static inline Matrix matrix[8];
  static inline int begun = 0;

  static void begin() {
    ++begun;
    for (Matrix& m : matrix) std::memset(&m, 0x5a, sizeof m);  // what an earlier use left
  }
  static void end() { --begun; }
  template <int m>
  static void zero() {
    std::memset(&matrix[m], 0, sizeof matrix[m]);
  }
  template <int m>
  static void load(const void* from, int64_t distance) {
    for (int r = 0; r < 16; ++r) std::memcpy(matrix[m].byte[r], static_cast<const char*>(from) + r * distance, 64);
  }
  template <int m>
  static void store(void* to, int64_t distance) {
    for (int r = 0; r < 16; ++r) std::memcpy(static_cast<char*>(to) + r * distance, matrix[m].byte[r], 64);
  }
  template <int sum, int weights, int samples>
  static void add() {
    for (int m = 0; m < 16; ++m)
      for (int n = 0; n < 16; ++n) {
        uint32_t value;
        std::memcpy(&value, &matrix[sum].byte[m][4 * n], 4);
        for (int k = 0; k < 16; ++k)
          for (int i = 0; i < 4; ++i)
            value += static_cast<uint32_t>(static_cast<int8_t>(matrix[weights].byte[m][4 * k + i]) *
                                           matrix[samples].byte[k][4 * n + i]);
        std::memcpy(&matrix[sum].byte[m][4 * n], &value, 4);
      }
  }
};

const KernelTable& plain_table() {
  static const KernelTable table = [] {
    KernelTable made = kernels(Isa::baseline);
    made.isa = "plain matrices";
    made.product.u8x4 = plain_matrices::product_of_matrices<PlainUnit>;
    made.product.has_matrices = true;
    return made;
  }();
  return table;
}

void compare(const Problem& problem, const Finish& finish, float scale, int lanes) {
  CHECK(plain_table().product.takes_matrices(problem.shape.out, problem.shape.taps, problem.groups));
  const Packed expected = problem.run(reference_kernels, finish, scale);
  const Packed y = problem.run(plain_table(), finish, scale, lanes);
  CHECK(PlainUnit::begun == 0);
  const int channels = channels_of(finish.to);
  const int64_t line = int64_t{kBlock} * channels;
  for (int64_t i = 0; i < y.size() / kGroupBytes; ++i)
    for (int64_t j = 0; j < lanes * channels; ++j) {
      const bool same =
          finish.to == Encoding::f32    ? same_bits(y.get<float>(i * line + j), expected.get<float>(i * line + j))
          : finish.to == Encoding::u8x4 ? y.get<uint8_t>(i * line + j) == expected.get<uint8_t>(i * line + j)
                                        : y.get<int16_t>(i * line + j) == expected.get<int16_t>(i * line + j);
      CHECK(same, problem.shape.text(), text(finish), " lanes ", lanes, " group ", i, " number ", j);
    }
}

TEST(products_by_matrices_equal_the_reference) {
  const std::vector<float> alpha = uniform_values(96, -0.01f, 0.02f, 31), beta = uniform_values(96, -9.0f, 9.0f, 32);
  const std::vector<Finish> finishes = finishes_of(alpha.data(), beta.data());
  uint64_t seed = 1;
  for (const int out : {16, 17, 31, 32, 33, 47, 48, 65, 80})
    for (const int channels : {32, 35, 48, 61, 64, 67, 100, 128, 200})
      for (const int lanes : {64, static_cast<int>(1 + seed % 64)}) {
        Random random(++seed);
        Shape shape;
        shape.out = out, shape.channels = channels, shape.seed = seed;
        shape.taps = static_cast<int>(1 + random.below(4));
        shape.positions = static_cast<int>(1 + random.below(3));
        shape.places = static_cast<int>(1 + random.below(4));
        shape.padded = random.below(2) == 0;
        shape.bias = random.below(4) != 0;
        shape.shift = random.below(2) == 0 ? static_cast<int>(random.below(9)) : 0;
        shape.zero = random.below(2) == 0 ? 128 : 0;
        shape.added = random.below(3) == 0;
        shape.roomy = random.below(2) == 0;
        if (shape.roomy) shape.places = 1, shape.padded = false;
        const bool ends = random.below(3) == 0;
        const Problem problem(
            kU8, shape, [&](int, int, int) { return ends ? 255 : random.below(256); },
            [&](int, int, int) { return ends ? -128 : random.below(256) - 128; },
            [&](int) { return random.below(1 << 21) - (1 << 20); });
        compare(problem, finishes[seed % finishes.size()], 0x1p-9f, lanes);
      }
}

}  // namespace
}  // namespace chop
