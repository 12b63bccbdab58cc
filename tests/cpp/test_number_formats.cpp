// Number formats: one that only this file knows, the same bits on every instruction set, and how blocks are cut.
#include <cmath>
#include <memory>
#include <numeric>

#include "chop/evaluator/evaluator.h"
#include "chop/kernels/number_kernels.h"
#include "chop/quantizers/block_rules.h"
#include "chop/quantizers/float_rules.h"
#include "evaluator_cases.h"
#include "samples.h"
#include "test.h"

namespace chop::quantizers {
namespace {

using namespace testing;

// Multiples of a third of the largest magnitude of the block: a format is a rule and a line that registers it.
NumberRule thirds(const double*, const BlockFacts& facts, const RealType&) {
  NumberRule rule;
  rule.kind = RuleKind::scaled;
  rule.step = facts.largest > 0.0 ? facts.largest / 3.0 : 1.0;
  rule.low = -3.0;
  rule.high = 3.0;
  return rule;
}
[[maybe_unused]] const bool registered = value_formats().add("thirds_of_the_test", {0, kLargest, false, thirds});

BoundFormat bound(const char* name, std::vector<double> numbers, std::vector<int64_t> block_size,
                  FirstDim first = FirstDim::keep) {
  return {name, &value_formats().get(name), std::move(numbers), std::move(block_size), first};
}

TEST(a_format_of_the_tests_own_runs_in_the_evaluator) {
  CHECK(&value_format(number_of("thirds_of_the_test")) == &value_formats().get("thirds_of_the_test"));
  std::vector<float> y(6);
  const std::vector<float> x{3.0f, 1.4f, -0.4f, 0.0f, -6.0f, 2.9f};
  quantize_tensor(bound("thirds_of_the_test", {}, {3}, FirstDim::skip), {2, 3}, x.data(), y.data());
  CHECK((y == std::vector<float>{3.0f, 1.0f, 0.0f, 0.0f, -6.0f, 2.0f}));

  const evaluator::Data data = evaluator::make_data(130);
  const evaluator::Evaluator evaluator = evaluator::make(data, 2);
  evaluator::NodeFormat format{"fc2", "thirds_of_the_test", {}, nullptr};
  for (const char* operand : {"data_in", "weight", "bias"})
    format.values[operand] = std::make_shared<const BoundFormat>(bound("thirds_of_the_test", {}, {-1}, FirstDim::rows));
  std::vector<float> before(130 * 4), after(130 * 4);
  evaluator.forward({}, before.data());
  evaluator.forward({format}, after.data());
  CHECK(before != after);
  const auto roads = evaluator.layers({format});
  CHECK(roads[1].road == evaluator::Road::float64 && std::isinf(roads[1].bound));
  format.values["data_in"] = std::make_shared<const BoundFormat>(bound("thirds_of_the_test", {}, {-1}));
  CHECK_REFUSED("several rows of data", evaluator.forward({format}, after.data()));
}

template <class T>
const NumberKernels<T>& numbers_of(const NumberTable& table) {
  if constexpr (std::is_same_v<T, float>) {
    return table.f32;
  } else {
    return table.f64;
  }
}

template <class T>
void check_isas() {
  std::vector<NumberRule> rules{float_rule(4, -9, 480.0, kFloat32), float_rule(1, -2, 8.0, kFloat32),
                                float_rule(8, -133, 3e38, kFloat32), power_rule(-7, 8, kFloat32)};
  NumberRule rule;
  rule.step = 0.25, rule.inverse = 4.0, rule.low = -7.0, rule.high = 7.0;
  rules.push_back(rule);
  rule.kind = RuleKind::scaled, rule.step = 0.3;
  rules.push_back(rule);
  rule.kind = RuleKind::two_values, rule.threshold = 0.0;
  rules.push_back(rule);
  rule.kind = RuleKind::three_values, rule.threshold = 0.7;
  rules.push_back(rule);
  for (const int size : awkward_sizes(1001)) {
    const std::vector<T> x = awkward_values<T>(size, T(0.0625), T(-128), T(127), static_cast<uint64_t>(size));
    for (const Isa isa : available_isas()) {
      for (const NumberRule& each : rules) {
        std::vector<T> expected(x.size()), y(x.size());
        numbers_of<T>(number_kernels(available_isas().front())).apply(x.data(), expected.data(), size, each);
        numbers_of<T>(number_kernels(isa)).apply(x.data(), y.data(), size, each);
        const int64_t at = first_difference(y, expected);
        CHECK(at < 0, isa_name(isa), " size ", size, " rule ", static_cast<int>(each.kind), " at ", at);
      }
      BlockFacts expected, found;
      numbers_of<T>(number_kernels(available_isas().front())).look(x.data(), size, kLargest | kEnds | kMean, &expected);
      numbers_of<T>(number_kernels(isa)).look(x.data(), size, kLargest | kEnds | kMean, &found);
      CHECK(same_bits(found.largest, expected.largest) && same_bits(found.sum, expected.sum));
      CHECK(same_bits(found.low, expected.low) && same_bits(found.high, expected.high), size);
    }
  }
}

TEST(number_formats_have_the_same_bits_everywhere) {
  check_isas<float>();
  check_isas<double>();
}

// Many blocks at once against the blocks alone, and every instruction set against the first one.
TEST(many_blocks_have_the_values_of_single_ones) {
  struct Case {
    const char* name;
    std::vector<double> numbers;
  };
  const std::vector<Case> cases{{"block_fp", {8, 8, 127}},
                                {"block_fp", {30, 8, 127}},
                                {"block_fp", {4, 3, 3}},
                                {"block_minifloat", {8, 4, 8}},
                                {"block_log", {8, 8}},
                                {"block_log", {4, 3}},
                                {"mxint8", {}},
                                {"mxfp4", {}},
                                {"mxfp8_e5m2", {}},
                                {"scale_integer", {8, 1, 0, 0, 0}},
                                {"scale_integer", {5, 0, 0, 0, 0}}};
  Random random(11);
  for (const Case& each : cases) {
    for (int round = 0; round < 60; ++round) {
      const int64_t a = 1 + random.below(3), b = 1 + random.below(90), c = 1 + random.below(70);
      const std::vector<int64_t> shape{a, b, c};
      const std::vector<std::vector<int64_t>> blocks{
          {1, 1, 16}, {1, 1, 32}, {1, 1, 1 + random.below(40)}, {1, 1 + random.below(40), 1}, {-1}};
      const BlockLayout layout =
          block_layout(shape, blocks[static_cast<size_t>(round) % blocks.size()], FirstDim::keep);
      std::vector<float> x =
          awkward_values<float>(static_cast<int>(layout.elements), 0x1p-4f, -128, 127, static_cast<uint64_t>(round));
      if (round % 3 == 1)
        for (float& v : x) v *= std::ldexp(1.0f, static_cast<int>(random.below(240)) - 140);
      std::vector<float> together(x.size()), singly(x.size());
      const BoundNumbers bound{&value_formats().get(each.name), each.numbers.data(), kFloat32};
      quantize_blocks(*bound.format, bound.numbers, bound.type, layout, 0, layout.blocks, x.data(), together.data());
      for (int64_t block = 0; block < layout.blocks; ++block)
        quantize_singly(bound, layout, block, block + 1, x.data(), singly.data());
      const int64_t at = first_difference(together, singly);
      CHECK(at < 0, each.name, " round ", round, " at ", at);
    }
  }
}

// The rules of every exponent, as if all of them were of the form.
std::unique_ptr<ExponentRules> all_rows(const ValueFormat& format, const double* numbers, ExponentRules::Form form) {
  auto table = std::make_unique<ExponentRules>();
  for (int row = 0; row + 1 < ExponentRules::kRows; ++row) {
    BlockFacts facts;
    facts.largest = static_cast<double>(ExponentRules::largest_of(row));
    CHECK(ExponentRules::row_of(ExponentRules::largest_of(row)) == row);
    number_block_kernels().read_rule(float_rule_of(format, numbers, facts, kFloat32), row, table.get());
    table->form[row] = form;
  }
  return table;
}

TEST(many_blocks_have_the_same_bits_everywhere) {
  const double numbers[] = {8, 8, 127};
  const BlockRules rules(value_formats().get("block_fp"), numbers, kFloat32);
  const NumberBlockKernels& expected = number_block_kernels(available_isas().front());
  for (const int size : {1, 7, 16, 31, 32, 45}) {
    const std::vector<float> x = awkward_values<float>(size * 64, 0.0625f, -128, 127, static_cast<uint64_t>(size));
    for (const Isa isa : available_isas()) {
      const NumberBlockKernels& kernels = number_block_kernels(isa);
      ManyBlocks many, other;
      std::vector<float> y(x.size()), z(x.size());
      for (const auto form : {ExponentRules::kNarrow, ExponentRules::kWide}) {
        const auto table = all_rows(value_formats().get("block_fp"), numbers, form);
        int row = 0;
        CHECK(kernels.rows_by_exponent(x.data(), y.data(), 64, size, *table, form, &row) == 64);
        CHECK(expected.rows_by_exponent(x.data(), z.data(), 64, size, *table, form, &row) == 64);
        CHECK(first_difference(y, z) < 0, isa_name(isa), " size ", size);
        table->form[ExponentRules::row_of(0.0f)] = ExponentRules::kAlone;
        z.assign(z.size(), 0.0f);
        z[static_cast<size_t>(3 * size)] = std::nanf("");
        CHECK(kernels.rows_by_exponent(z.data(), y.data(), 64, size, *table, form, &row) == 0 && row == 0);
      }
      kernels.scale_rows(x.data(), y.data(), 64, size, 127.0);
      expected.scale_rows(x.data(), z.data(), 64, size, 127.0);
      CHECK(first_difference(y, z) < 0, isa_name(isa), " size ", size);
      many.clear(64), other.clear(64);
      kernels.look_across(x.data(), size, 64, 64, many.most, many.low, many.high);
      expected.look_across(x.data(), size, 64, 64, other.most, other.low, other.high);
      for (int l = 0; l < 64; ++l)
        CHECK(same_bits(many.most[l], other.most[l]) && same_bits(many.low[l], other.low[l]) &&
              same_bits(many.high[l], other.high[l]));
      CHECK(rules.find(64, &many));
      kernels.apply_across(x.data(), y.data(), size, 64, 64, many.rules, many.narrow);
      expected.apply_across(x.data(), z.data(), size, 64, 64, many.rules, false);
      CHECK(first_difference(y, z) < 0, isa_name(isa), " size ", size);
    }
  }
}

// The code of a number comes from a product, in float where codes are few, and is that of the quotient all the same.
TEST(scaled_numbers_have_the_codes_of_quotients) {
  Random random(17);
  for (int round = 0; round < 200; ++round) {
    NumberRule rule;
    rule.kind = RuleKind::scaled;
    rule.high = std::ldexp(1.0, 1 + round % 14) - 1.0, rule.low = round % 3 ? -rule.high : 0.0;
    rule.step = std::ldexp(1.0 + static_cast<double>(random.below(1000000)) * 1e-6, round % 60 - 30);
    if (round % 10 == 9) rule.step = std::ldexp(rule.step, round % 20 ? 110 : -110);
    std::vector<float> x(500);
    for (float& v : x) {
      const double code = static_cast<double>(random.below(1 << 15)) * 0.5 - static_cast<double>(1 << 13);
      v = static_cast<float>(std::fmod(code, rule.high + 2.0) * rule.step);
      for (int64_t k = random.below(4); k > 0; --k) v = std::nextafterf(v, 0.0f);
    }
    x[7] = std::nanf(""), x[8] = HUGE_VALF, x[9] = -HUGE_VALF, x[10] = -0.0f;
    std::vector<float> expected;
    for (const float v : x) {
      const double quotient = static_cast<double>(v) / rule.step;
      const double inside = quotient < rule.low ? rule.low : quotient > rule.high ? rule.high : quotient;
      expected.push_back(static_cast<float>((std::nearbyint(inside) + 0.0) * rule.step));
    }
    for (const Isa isa : available_isas()) {
      std::vector<float> y(x.size());
      number_kernels(isa).f32.apply(x.data(), y.data(), static_cast<int64_t>(x.size()), rule);
      const int64_t at = first_difference(y, expected);
      CHECK(at < 0, isa_name(isa), " round ", round, " at ", at);
    }
  }
}

// Of float numbers, float arithmetic gives what double gives.
TEST(narrow_rules_give_the_values_of_wide_ones) {
  const NumberKernels<float>& kernel = number_kernels().f32;
  Random random(3);
  for (int round = 0; round < 300; ++round) {
    NumberRule rule;
    const int bits = 1 + static_cast<int>(random.below(12)), low = static_cast<int>(random.below(120)) - 60;
    if (round % 4 == 0) rule = float_rule(bits, low - 30, std::ldexp(1.0 + (bits > 1), low + 8), kFloat32);
    if (round % 4 == 1) rule = power_rule(low - 20, low + 20, kFloat32);
    if (round % 4 == 2) rule.step = std::ldexp(1.0, low), rule.inverse = std::ldexp(1.0, -low);
    if (round % 4 == 2) rule.low = -std::ldexp(1.0, bits), rule.high = std::ldexp(1.0, bits) - 1;
    if (round % 4 == 3) rule.kind = RuleKind::three_values, rule.threshold = 0.5, rule.high = 0.3;
    std::vector<float> x = awkward_values<float>(999, std::ldexp(1.0f, low), -128, 127, static_cast<uint64_t>(round));
    for (size_t i = 0; i < x.size(); i += 5) x[i] *= std::ldexp(1.0f, static_cast<int>(random.below(100)) - 50);
    std::vector<float> narrow(x.size()), wide(x.size());
    kernel.apply(x.data(), wide.data(), static_cast<int64_t>(x.size()), rule);
    rule.narrow = true;
    kernel.apply(x.data(), narrow.data(), static_cast<int64_t>(x.size()), rule);
    CHECK(first_difference(narrow, wide) < 0, "kind ", static_cast<int>(rule.kind), " round ", round);
  }
}

TEST(blocks_cover_a_tensor_once) {
  Random random(5);
  for (int round = 0; round < 400; ++round) {
    std::vector<int64_t> shape, block;
    for (int64_t d = 1 + random.below(4); d > 0; --d) shape.push_back(1 + random.below(6));
    for (int64_t d = 1 + random.below(5); d > 0; --d) block.push_back(random.below(5) == 0 ? -1 : 1 + random.below(7));
    const auto first = static_cast<FirstDim>(random.below(4));
    const BlockLayout layout = block_layout(shape, block, first);
    std::vector<int> seen(static_cast<size_t>(layout.elements), 0);
    for (int64_t b = 0; b < layout.blocks; ++b)
      each_run(layout, b, [&](int64_t at, int64_t n) {
        for (int64_t i = at; i < at + n; ++i) ++seen[static_cast<size_t>(i)];
      });
    CHECK(std::accumulate(seen.begin(), seen.end(), 0) == layout.elements, round);
    for (const int count : seen) CHECK(count == 1, round);
  }
}

TEST(block_sizes_below_one_are_refused) {
  CHECK_REFUSED("block_size must hold", block_layout({4}, {0}, FirstDim::keep));
  CHECK_REFUSED("takes 3 numbers, got 1", check_numbers(value_formats().get("block_fp"), 1));
}

}  // namespace
}  // namespace chop::quantizers
