// Number formats: one that only this file knows, the same bits on every instruction set, and how blocks are cut.
#include <cmath>
#include <numeric>

#include "chop/evaluator/evaluator.h"
#include "chop/kernels/number_kernels.h"
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
