// The front against its definition; a walk against one evaluation after the other.
#include <cmath>
#include <limits>

#include "chop/search/pareto.h"
#include "chop/search/sweep.h"
#include "evaluator_cases.h"

namespace chop::search {
namespace {

using namespace testing;
using evaluator::Data;

std::vector<int64_t> by_definition(const std::vector<double>& values, int objectives) {
  std::vector<int64_t> front;
  const auto count = static_cast<int64_t>(values.size()) / objectives;
  for (int64_t i = 0; i < count; ++i) {
    const double* row = &values[static_cast<size_t>(i * objectives)];
    bool in_front = std::none_of(row, row + objectives, [](double v) { return std::isnan(v); });
    for (int64_t j = 0; j < count && in_front; ++j)
      in_front = !dominates(&values[static_cast<size_t>(j * objectives)], row, objectives);
    if (in_front) front.push_back(i);
  }
  return front;
}

TEST(front_is_that_of_the_definition) {
  Random random(7);
  const double special[] = {0.0,
                            -0.0,
                            1.0,
                            std::numeric_limits<double>::infinity(),
                            -std::numeric_limits<double>::infinity(),
                            std::numeric_limits<double>::quiet_NaN()};
  for (int objectives = 1; objectives <= 5; ++objectives)
    for (const int count : {0, 1, 2, 3, 10, 100, 300})
      for (const int levels : {2, 6, 40, 1000}) {
        std::vector<double> values;
        for (int i = 0; i < count * objectives; ++i) {
          const auto drawn = static_cast<size_t>(random.below(levels));
          values.push_back(levels == 6 ? special[drawn] : static_cast<double>(drawn));
        }
        CHECK(pareto_front(values.data(), count, objectives) == by_definition(values, objectives), objectives, " ",
              count);
      }
}

// fc1 and fc2 with `formats` widths each.
Space two_layers(const std::vector<int>& widths) {
  std::vector<std::vector<Choice>> groups(2);
  for (size_t layer = 0; layer < 2; ++layer)
    for (const int width : widths) {
      const FixedPoint f = make_fixed_point(width, width / 2, true);
      groups[layer].push_back(
          {{{layer == 0 ? "fc1" : "fc2", "integer", {{"data_in", f}, {"weight", f}, {"bias", f}}, nullptr}}, {}});
    }
  return Space(std::move(groups));
}

TEST(space_is_numbered_with_the_last_group_turning_fastest) {
  const Space space = two_layers({2, 4, 8});
  CHECK(space.size() == 9);
  const evaluator::Config config = space.config(5);
  CHECK(config[0].operand("weight")->width == 4 && config[1].operand("weight")->width == 8);
  CHECK_REFUSED("configuration 9 of 9", space.config(9));
}

std::vector<double> swept(const evaluator::Evaluator& ev, const Space& space, int threads, bool prune, int64_t step,
                          int64_t* dropped) {
  Sweep sweep(ev, space, {{"accuracy", true}, {"", false}}, threads);
  std::vector<double> values(static_cast<size_t>(space.size()) * 2);
  std::vector<uint8_t> flags(static_cast<size_t>(space.size()));
  for (int64_t i = 0; i < space.size(); ++i) values[static_cast<size_t>(2 * i + 1)] = static_cast<double>(i % 3);
  for (int64_t first = 0; first < space.size(); first += step)
    sweep.run(first, std::min(step, space.size() - first), prune, &values[static_cast<size_t>(2 * first)],
              &flags[static_cast<size_t>(first)]);
  *dropped = std::count(flags.begin(), flags.end(), 1);
  return values;
}

TEST(sweep_equals_single_evaluations) {
  const Data data = evaluator::make_data(9000);
  const evaluator::Evaluator ev = evaluator::make(data, 1);
  const Space space = two_layers({2, 3, 4, 6, 8});
  std::vector<double> expected;
  for (int64_t i = 0; i < space.size(); ++i) {
    expected.push_back(ev.evaluate({space.config(i)}, {{"accuracy", {}}})[0][0].numbers[0]);
    expected.push_back(static_cast<double>(i % 3));
  }
  int64_t dropped = 0;
  for (const int threads : {1, 2, 4}) {
    CHECK(first_difference(swept(ev, space, threads, false, 25, &dropped), expected) < 0, threads, " threads");
    CHECK(dropped == 0);
  }
  // Labels are drawn at random, so pruning has little to hold on to; what it keeps is the same.
  std::vector<double> costs = expected;
  for (size_t i = 0; i < costs.size(); i += 2) costs[i] = -costs[i];
  for (const int64_t step : {1, 7, 25}) {
    std::vector<double> kept = swept(ev, space, 2, true, step, &dropped);
    for (size_t i = 0; i < kept.size(); i += 2) {
      CHECK(std::isnan(kept[i]) || kept[i] == expected[i]);
      kept[i] = -kept[i];
    }
    CHECK(pareto_front(kept.data(), space.size(), 2) == pareto_front(costs.data(), space.size(), 2), "step ", step);
  }
}

TEST(pruning_drops_what_is_proved_worse) {
  // A finished configuration with everything right and no cost: nothing that has made one mistake can follow.
  const Data data = evaluator::make_data(9000);
  const evaluator::Evaluator ev = evaluator::make(data, 1);
  const Space space = two_layers({2, 4});
  Sweep sweep(ev, space, {{"accuracy", true}, {"", false}}, 1);
  const double perfect[] = {1.0, 0.0};
  sweep.add_finished(perfect, 1);
  std::vector<double> values(8, 1.0);
  std::vector<uint8_t> dropped(4);
  sweep.run(0, 4, true, values.data(), dropped.data());
  CHECK(std::count(dropped.begin(), dropped.end(), 1) == 4);
  CHECK(std::isnan(values[0]) && values[1] == 1.0);
}

}  // namespace
}  // namespace chop::search
