// Elementwise kernels of every instruction set that this processor has, against the plain loops, bit for bit.
#include "chop/kernels/grid.h"
#include "samples.h"
#include "test.h"

namespace chop {
namespace {

using namespace testing;

constexpr RoundingMode kRoundings[] = {RoundingMode::half_even, RoundingMode::floor, RoundingMode::half_up};
constexpr OverflowMode kOverflows[] = {OverflowMode::saturate, OverflowMode::wrap};

FixedPoint in_modes(FixedPoint f, RoundingMode rounding, OverflowMode overflow) {
  f.rounding = rounding;
  f.overflow = overflow;
  return f;
}

std::vector<FixedPoint> formats() {
  const std::vector<FixedPoint> all{{8, 4, true},   {8, 4, false}, {1, 0, true},    {1, 0, false}, {2, 5, true},
                                    {16, -3, true}, {32, 0, true}, {32, 16, false}, {8, 64, true}, {8, -64, false}};
  std::vector<FixedPoint> found;
  for (const FixedPoint& f : all)
    for (const RoundingMode rounding : kRoundings)
      for (const OverflowMode overflow : kOverflows) found.push_back(in_modes(f, rounding, overflow));
  return found;
}

GridF32 grid32(const FixedPoint& f) { return grid_of<GridF32>(f); }
GridF64 grid64(const FixedPoint& f) { return grid_of<GridF64>(f); }

template <class T, class Grid, class Kernel>
void compare_fake_quantize(Kernel fast, Kernel reference, const Grid& grid, const char* isa) {
  for (const int size : awkward_sizes(100003)) {
    const std::vector<T> x = awkward_values<T>(size, grid.step, grid.qmin, grid.qmax, static_cast<uint64_t>(size));
    std::vector<T> y(x.size(), T(77)), expected(x.size(), T(78));
    fast(x.data(), y.data(), size, grid);
    reference(x.data(), expected.data(), size, grid);
    const int64_t at = first_difference(y, expected);
    CHECK(at < 0, isa, " size ", size, " step ", grid.step, " rounding ", static_cast<int>(grid.rounding), " overflow ",
          static_cast<int>(grid.overflow), " at ", at, " x ", at < 0 ? T(0) : x[static_cast<size_t>(at)]);
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

// A grid for each number: each gets what its own grid makes of it, and 0 where the width is 0.
template <class T, class Grid, class Each, class One>
void compare_each(Each each, One one, const std::vector<FixedPoint>& of, const char* isa) {
  for (const int size : awkward_sizes(4099)) {
    ElementFormats chosen;
    for (int i = 0; i < size; ++i) chosen.push_back(of[static_cast<size_t>(i * 7 + size) % of.size()]);
    const ElementGrids<T> grids(chosen);
    const std::vector<T> x = awkward_values<T>(size, T(0.0625), T(-128), T(127), static_cast<uint64_t>(size));
    std::vector<T> y(x.size(), T(77)), expected(x.size(), T(0));
    each(x.data(), y.data(), size, grids.from());
    for (size_t i = 0; i < x.size(); ++i)
      if (chosen[i].width > 0) one(&x[i], &expected[i], 1, grid_of<Grid>(chosen[i]));
    const int64_t at = first_difference(y, expected);
    CHECK(at < 0, isa, " size ", size, " at ", at, " x ", at < 0 ? T(0) : x[static_cast<size_t>(at)]);
  }
}

TEST(fake_quantize_each_equals_the_reference_of_each_grid) {
  std::vector<const KernelTable*> tables{&reference_kernels};
  for (const Isa isa : available_isas()) tables.push_back(&kernels(isa));
  for (const RoundingMode rounding : kRoundings)
    for (const OverflowMode overflow : kOverflows) {
      std::vector<FixedPoint> of{make_element_format(0, 3, true, rounding, overflow)};
      for (const FixedPoint& f : formats()) of.push_back(in_modes(f, rounding, overflow));
      for (const KernelTable* k : tables) {
        compare_each<float, GridF32>(k->fake_quantize_each_f32, reference_kernels.fake_quantize_f32, of, k->isa);
        compare_each<double, GridF64>(k->fake_quantize_each_f64, reference_kernels.fake_quantize_f64, of, k->isa);
      }
    }
}

TEST(a_common_format_holds_the_codes_of_all_elements) {
  const FixedPoint common = common_format({{4, 1, true}, {0, 9, true}, {3, 6, true}, {8, -2, true}});
  CHECK(common == FixedPoint({16, 6, true}));
  CHECK(common_format({{0, 5, false}}) == FixedPoint({1, 0, false}));
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

TEST(fake_quantize_reference_rounds_and_wraps_as_the_modes_say) {
  const auto one = [](float x, FixedPoint f, RoundingMode rounding, OverflowMode overflow = OverflowMode::saturate) {
    const GridF32 grid = grid32(in_modes(f, rounding, overflow));
    float y = 0.0f;
    reference_kernels.fake_quantize_f32(&x, &y, 1, grid);
    return y;
  };
  const FixedPoint s8{8, 0, true}, u8{8, 0, false}, s32{32, 0, true}, coarse{8, -64, true};
  const auto even = RoundingMode::half_even, down = RoundingMode::floor, up = RoundingMode::half_up;
  const auto wrap = OverflowMode::wrap;
  CHECK(one(2.5f, s8, even) == 2.0f && one(2.5f, s8, up) == 3.0f && one(2.9f, s8, down) == 2.0f);
  CHECK(one(-2.5f, s8, even) == -2.0f && one(-2.5f, s8, up) == -2.0f && one(-2.1f, s8, down) == -3.0f);
  CHECK(one(0.49999997f, s8, up) == 0.0f && one(8388609.0f, s32, up) == 8388609.0f);
  CHECK(one(-1e-30f, coarse, down) == -0x1p64f);  // the product with 2^-64 is zero
  CHECK(same_bits(one(-0.0f, s8, even), -0.0f) && same_bits(one(-0.0f, s8, down), -0.0f));
  CHECK(same_bits(one(-0.0f, s8, up), 0.0f) && same_bits(one(-0.3f, s8, up), 0.0f));
  CHECK(one(128.0f, s8, even, wrap) == -128.0f && one(-129.0f, s8, even, wrap) == 127.0f);
  CHECK(one(300.0f, u8, even, wrap) == 44.0f && one(-1.0f, u8, even, wrap) == 255.0f);
  CHECK(one(127.5f, s8, even, wrap) == -128.0f && one(127.5f, s8, down, wrap) == 127.0f);
  CHECK(one(3e38f, {32, 64, true}, even, wrap) == 0.0f && one(-3e38f, u8, even, wrap) == 0.0f);
  CHECK(same_bits(one(-256.0f, s8, even, wrap), 0.0f) && same_bits(one(-0.0f, u8, even, wrap), -0.0f));
  for (const float x : {INFINITY, -INFINITY, NAN}) CHECK(std::isnan(one(x, s8, even, wrap)), x);
  CHECK(std::isnan(one(NAN, s8, down)) && std::isnan(one(NAN, s8, up)) && one(INFINITY, s8, up) == 127.0f);
}

TEST(fake_quantize_of_unaligned_memory) {
  const std::vector<float> x = awkward_values<float>(300, 0.0625f, -128.0f, 127.0f, 5);
  for (const Isa isa : available_isas())
    for (const OverflowMode overflow : kOverflows)
      for (size_t shift = 0; shift < 17; ++shift) {
        const GridF32 grid = grid32(in_modes({8, 4, true}, RoundingMode::half_even, overflow));
        const auto count = static_cast<int64_t>(x.size() - shift);
        std::vector<float> y(x.size()), expected(x.size());
        kernels(isa).fake_quantize_f32(x.data() + shift, y.data() + shift, count, grid);
        reference_kernels.fake_quantize_f32(x.data() + shift, expected.data() + shift, count, grid);
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
        " rounding ", static_cast<int>(op.rounding), " modes ", static_cast<int>(op.grid.rounding),
        static_cast<int>(op.grid.overflow), " at ", at, " x ", at < 0 ? 0.0f : x[static_cast<size_t>(at)]);
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

TEST(elementwise_rounds_in_every_mode) {
  const std::vector<float> alpha(8, 1.5f), beta(8, -0.25f);
  Elementwise op;
  for (const Isa isa : available_isas())
    for (const FixedPoint& f : formats())
      for (const bool affine : {false, true})
        for (const bool relu : {false, true})
          for (const Rounding rounding : {Rounding::codes, Rounding::values}) {
            op.grid = grid32(f);
            op.alpha = affine ? alpha.data() : nullptr;
            op.beta = affine ? beta.data() : nullptr;
            op.relu = relu;
            op.rounding = rounding;
            compare_elementwise(kernels(isa), op, 8, relu);
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
