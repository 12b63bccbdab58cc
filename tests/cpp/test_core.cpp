// Fixed-point formats, the registry and the choice of the instruction set.
#include "chop/core/cpu_isa.h"
#include "chop/core/fixed_point.h"
#include "chop/core/registry.h"
#include "chop/quantizers/quantizer.h"
#include "test.h"

namespace chop {
namespace {

using namespace testing;

TEST(fixed_point_ranges_and_scales) {
  const FixedPoint s8 = make_fixed_point(8, 4, true);
  CHECK(s8.qmin() == -128.0 && s8.qmax() == 127.0 && s8.scale() == 0.0625 && s8.inverse_scale() == 16.0);
  CHECK(s8.largest_code() == 128.0);
  const FixedPoint u8 = make_fixed_point(8, -2, false);
  CHECK(u8.qmin() == 0.0 && u8.qmax() == 255.0 && u8.scale() == 4.0 && u8.largest_code() == 255.0);
  const FixedPoint s1 = make_fixed_point(1, 0, true);
  CHECK(s1.qmin() == -1.0 && s1.qmax() == 0.0);
  const FixedPoint u1 = make_fixed_point(1, 0, false);
  CHECK(u1.qmin() == 0.0 && u1.qmax() == 1.0);
  for (int width = 1; width <= kMaxWidth; ++width) {
    const FixedPoint f = make_fixed_point(width, width / 2, true), u = make_fixed_point(width, width / 2, false);
    CHECK(f.qmax() - f.qmin() + 1.0 == std::ldexp(1.0, width), "width ", width);
    CHECK(u.qmax() + 1.0 == std::ldexp(1.0, width), "width ", width);
    CHECK(f.scale() * f.inverse_scale() == 1.0, "width ", width);
  }
}

TEST(fixed_point_refuses_what_is_out_of_range) {
  for (const int64_t width : {int64_t{0}, int64_t{-3}, int64_t{33}, int64_t{40}, INT64_MAX, INT64_MIN})
    CHECK_REFUSED("width must be 1..32", make_fixed_point(width, 0, true));
  for (const int64_t frac : {int64_t{65}, int64_t{-65}, INT64_MAX, INT64_MIN})
    CHECK_REFUSED("frac_width must be -64..64", make_fixed_point(8, frac, true));
  CHECK(make_fixed_point(32, 64, true).frac_width == 64 && make_fixed_point(1, -64, false).frac_width == -64);
}

TEST(fixed_point_modes_have_names_and_numbers) {
  const FixedPoint usual = make_fixed_point(8, 4, true);
  CHECK(usual.rounding == RoundingMode::half_even && usual.overflow == OverflowMode::saturate);
  for (size_t i = 0; i < kRoundingModes.size(); ++i) {
    CHECK(rounding_mode(kRoundingModes[i]) == static_cast<RoundingMode>(i), i);
    CHECK(rounding_mode(static_cast<int64_t>(i)) == static_cast<RoundingMode>(i), i);
  }
  for (size_t i = 0; i < kOverflowModes.size(); ++i) {
    CHECK(overflow_mode(kOverflowModes[i]) == static_cast<OverflowMode>(i), i);
    CHECK(overflow_mode(static_cast<int64_t>(i)) == static_cast<OverflowMode>(i), i);
  }
  CHECK(rounding_mode("floor") == RoundingMode::floor && overflow_mode("wrap") == OverflowMode::wrap);
  CHECK_REFUSED("rounding must be one of half_even, floor, half_up, got 'flor'", rounding_mode("flor"));
  CHECK_REFUSED("overflow must be one of saturate, wrap, got ''", overflow_mode(""));
  CHECK_REFUSED("rounding must be 0 (half_even), 1 (floor), 2 (half_up), got 3", rounding_mode(int64_t{3}));
  CHECK_REFUSED("overflow must be 0 (saturate), 1 (wrap), got -1", overflow_mode(int64_t{-1}));
  CHECK(!(usual == make_fixed_point(8, 4, true, RoundingMode::floor)));
  CHECK(!(usual == make_fixed_point(8, 4, true, RoundingMode::half_even, OverflowMode::wrap)));
}

TEST(registry_refuses_doubles_and_lists_what_it_knows) {
  Registry<int> registry("metric");
  CHECK_REFUSED("known: none", registry.get("loss"));
  CHECK(registry.add("loss", 1) && registry.add("accuracy", 2));
  CHECK(registry.get("loss") == 1 && registry.members().size() == 2);
  CHECK_REFUSED("metric 'loss' is already registered", registry.add("loss", 3));
  CHECK(registry.get("loss") == 1);
  CHECK_REFUSED("metric 'los' is not known; known: accuracy, loss", registry.get("los"));
}

TEST(quantizers_registered_themselves) {
  CHECK(quantizers::registry().members().count("integer") == 1, "self-registration was lost in linking");
  float x[] = {0.3f, -7.0f, 100.0f, -0.0f}, codes[4];
  quantizers::registry().get("integer").codes(x, codes, 4, make_fixed_point(4, 1, true));
  CHECK(codes[0] == 1.0f && codes[1] == -8.0f && codes[2] == 7.0f && same_bits(codes[3], -0.0f));
  const FixedPoint wrapping = make_fixed_point(4, 1, true, RoundingMode::half_up, OverflowMode::wrap);
  quantizers::registry().get("integer").codes(x, codes, 4, wrapping);
  for (const float code : codes) CHECK(code >= -8.0f && code <= 7.0f, code);
  CHECK(quantizers::registry().get("integer").grid(wrapping).overflow == OverflowMode::wrap);
  const GridF32 grid = quantizers::registry().get("integer").grid(make_fixed_point(4, 1, true));
  CHECK(grid.step == 0.5f && grid.inverse_step == 2.0f && grid.qmin == -8.0f && grid.qmax == 7.0f);
}

TEST(instruction_sets) {
  const std::vector<Isa> available = available_isas();
  CHECK(!available.empty() && available.front() == Isa::baseline);
  CHECK(choose_isa("") == available.back());
  for (const Isa isa : available) {
    CHECK(choose_isa(isa_name(isa)) == isa);
    CHECK(std::string(kernels(isa).isa) == isa_name(isa));
  }
  CHECK_REFUSED("must be baseline, avx2, avx512 or amx, got 'sse9'", choose_isa("sse9"));
  if (available.size() < 3) CHECK_REFUSED("lacks it", choose_isa("avx512"));
}

}  // namespace
}  // namespace chop
