// Elementwise kernels of every instruction set that this processor has, against the plain loops, bit for bit.
#include "chop/core/fixed_point.h"
#include "chop/kernels/kernels.h"
#include "samples.h"
#include "test.h"

namespace chop {
namespace {

using namespace testing;

const std::vector<FixedPoint>& formats() {
  static const std::vector<FixedPoint> all{{8, 4, true},  {8, 4, false},  {1, 0, true},  {1, 0, false},
                                           {2, 5, true},  {16, -3, true}, {32, 0, true}, {32, 16, false},
                                           {8, 64, true}, {8, -64, false}};
  return all;
}

GridF32 grid32(const FixedPoint& f) {
  return {static_cast<float>(f.inverse_scale()), static_cast<float>(f.scale()), static_cast<float>(f.qmin()),
          static_cast<float>(f.qmax())};
}
GridF64 grid64(const FixedPoint& f) { return {f.inverse_scale(), f.scale(), f.qmin(), f.qmax()}; }

template <class T, class Grid, class Kernel>
void compare_fake_quantize(Kernel fast, Kernel reference, const Grid& grid, const char* isa) {
  for (const int size : awkward_sizes(100003)) {
    const std::vector<T> x = awkward_values<T>(size, grid.step, grid.qmin, grid.qmax, static_cast<uint64_t>(size));
    std::vector<T> y(x.size(), T(77)), expected(x.size(), T(78));
    fast(x.data(), y.data(), size, grid);
    reference(x.data(), expected.data(), size, grid);
    const int64_t at = first_difference(y, expected);
    CHECK(at < 0, isa, " size ", size, " step ", grid.step, " at ", at, " x ",
          at < 0 ? T(0) : x[static_cast<size_t>(at)]);
  }
}

TEST(fake_quantize_equals_the_reference) {
  for (const Isa isa : available_isas())
    for (const FixedPoint& f : formats()) {
      const KernelTable& k = kernels(isa);
      compare_fake_quantize<float>(k.fake_quantize_f32, reference_kernels.fake_quantize_f32, grid32(f), k.isa);
      compare_fake_quantize<double>(k.fake_quantize_f64, reference_kernels.fake_quantize_f64, grid64(f), k.isa);
    }
}

TEST(fake_quantize_reference_is_right) {
  const auto one = [](float x, const FixedPoint& f) {
    float y = 0.0f;
    reference_kernels.fake_quantize_f32(&x, &y, 1, grid32(f));
    return y;
  };
  const FixedPoint s8{8, 4, true}, u8{8, 4, false};
  CHECK(one(0.03125f, s8) == 0.0f && one(0.09375f, s8) == 0.125f);  // halves go to the even code
  CHECK(one(-0.09375f, s8) == -0.125f && same_bits(one(-0.03125f, s8), -0.0f));
  CHECK(one(100.0f, s8) == 7.9375f && one(-100.0f, s8) == -8.0f);
  CHECK(one(-1.0f, u8) == 0.0f && one(100.0f, u8) == 15.9375f && same_bits(one(-0.0f, u8), -0.0f));
  CHECK(one(INFINITY, s8) == 7.9375f && one(-INFINITY, s8) == -8.0f && std::isnan(one(NAN, s8)));
}

TEST(fake_quantize_of_unaligned_memory) {
  const FixedPoint f{8, 4, true};
  const std::vector<float> x = awkward_values<float>(300, 0.0625f, -128.0f, 127.0f, 5);
  for (const Isa isa : available_isas())
    for (size_t shift = 0; shift < 17; ++shift) {
      const auto count = static_cast<int64_t>(x.size() - shift);
      std::vector<float> y(x.size()), expected(x.size());
      kernels(isa).fake_quantize_f32(x.data() + shift, y.data() + shift, count, grid32(f));
      reference_kernels.fake_quantize_f32(x.data() + shift, expected.data() + shift, count, grid32(f));
      CHECK(first_difference(y, expected) < 0, isa_name(isa), " shift ", shift);
    }
}

void compare_elementwise(const KernelTable& k, const Elementwise& op, int rows, bool in_place) {
  const std::vector<float> x = awkward_values<float>(rows * kBlock, 0.0625f, -128.0f, 127.0f, 11);
  std::vector<float> y = in_place ? x : std::vector<float>(x.size(), 77.0f), expected(x.size());
  k.elementwise(op, in_place ? y.data() : x.data(), y.data(), rows);
  reference_kernels.elementwise(op, x.data(), expected.data(), rows);
  const int64_t at = first_difference(y, expected);
  CHECK(at < 0, k.isa, " rows ", rows, " affine ", op.alpha != nullptr, " fused ", op.fused_affine, " relu ", op.relu,
        " rounding ", static_cast<int>(op.rounding), " at ", at, " x ", at < 0 ? 0.0f : x[static_cast<size_t>(at)]);
}

TEST(elementwise_equals_the_reference) {
  const int longest = 301;
  const std::vector<float> alpha = awkward_values<float>(longest, 1.0f, -2.0f, 2.0f, 21);
  const std::vector<float> beta = awkward_values<float>(longest, 1.0f, -2.0f, 2.0f, 22);
  Elementwise op;
  op.grid = grid32({8, 4, true});
  for (const Isa isa : available_isas())
    for (const int rows : awkward_sizes(longest))
      for (const bool affine : {false, true})
        for (const bool fused : {false, true})
          for (const bool relu : {false, true})
            for (const Rounding rounding : {Rounding::none, Rounding::codes, Rounding::values}) {
              op.alpha = affine ? alpha.data() : nullptr;
              op.beta = affine ? beta.data() : nullptr;
              op.fused_affine = fused;
              op.relu = relu;
              op.rounding = rounding;
              if (affine || !fused) compare_elementwise(kernels(isa), op, rows, relu);
            }
}

// Where a fused and a separate rounding differ, the kernels must differ too.
TEST(fused_and_separate_affine_are_told_apart) {
  const float alpha = 1.0f + 0x1p-12f, beta = -1.0f;  // the square ends in 2^-24, which a float near 1 cannot hold
  const std::vector<float> x(kBlock, alpha);
  for (const Isa isa : available_isas()) {
    std::vector<float> fused(kBlock), separate(kBlock);
    Elementwise op;
    op.alpha = &alpha;
    op.beta = &beta;
    kernels(isa).elementwise(op, x.data(), fused.data(), 1);
    op.fused_affine = false;
    kernels(isa).elementwise(op, x.data(), separate.data(), 1);
    CHECK(fused[0] == 0x1p-11f + 0x1p-24f && separate[0] == 0x1p-11f, isa_name(isa));
  }
}

}  // namespace
}  // namespace chop
