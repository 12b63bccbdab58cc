// Proposals from the trials alone; mixtures against their definition; the good part of several objectives.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "chop/search/hypervolume.h"
#include "chop/search/tpe.h"
#include "test.h"

namespace chop::search {
namespace {

using Point = std::vector<int64_t>;

double below(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

// A normal distribution around `centre`, cut to [-0.5, length - 0.5], of the values that round to `value`.
double mass(double centre, double width, int64_t length, int64_t value) {
  const auto cdf = [&](double x) { return below((x - centre) / width); };
  const double v = static_cast<double>(value), n = static_cast<double>(length);
  return (cdf(v + 0.5) - cdf(v - 0.5)) / (cdf(n - 0.5) - cdf(-0.5));
}

bool close(double a, double b) { return std::abs(a - b) <= 1e-9 * std::max(std::abs(a), std::abs(b)); }

TEST(kernels_have_the_widths_of_the_definition) {
  // Sorted 1 1 4 9 of 0..9; the least width is 10 / min(100, 4 + 2).
  Kernels kernels({10, true});
  std::vector<const Kernel*> found;
  kernels.of({4, 1, 9, 1}, found);
  const std::vector<std::pair<double, double>> expected = {{4, 5}, {1, 10.0 / 6}, {9, 5}, {1, 3}};
  for (size_t i = 0; i < expected.size(); ++i)
    for (int64_t v = 0; v < 10; ++v) {
      const double flat = mass(4.5, 10, 10, v);
      CHECK(close(found[i]->ratio[static_cast<size_t>(v)] * flat, mass(expected[i].first, expected[i].second, 10, v)),
            i, " ", v);
    }
  kernels.of({2}, found);  // alone: the farther end, 7.5 away
  CHECK(close(found[0]->ratio[2] * mass(4.5, 10, 10, 2), mass(2, 7.5, 10, 2)));
}

TEST(kernels_of_choices_without_order_share_one_observation) {
  Kernels kernels({4, false});
  std::vector<const Kernel*> found;
  kernels.of({3, 0}, found);
  // (1/3 + 1) and 1/3 over 4/3 + 1, over a quarter.
  CHECK(close(found[0]->ratio[3], (4.0 / 3) / (7.0 / 3) * 4));
  CHECK(close(found[0]->ratio[0], (1.0 / 3) / (7.0 / 3) * 4));
  CHECK(close(found[1]->ratio[0], found[0]->ratio[3]));
}

TEST(densities_are_sums_of_products) {
  std::vector<Kernels> tables;
  for (const Parameter& p : {Parameter{5, true}, Parameter{3, false}, Parameter{1, true}}) tables.emplace_back(p);
  const std::vector<Point> points = {{0, 2, 0}, {3, 2, 0}, {3, 1, 0}};
  std::vector<std::vector<const Kernel*>> kernels(3);
  for (size_t d = 0; d < 3; ++d) {
    Point values;
    for (const Point& p : points) values.push_back(p[d]);
    tables[d].of(values, kernels[d]);
  }
  const std::vector<double> weights = {1, 2, 3, 4};
  const Mixture mixture(tables, kernels, weights);
  std::vector<int64_t> all;
  std::vector<double> expected;
  for (int64_t a = 0; a < 5; ++a)
    for (int64_t b = 0; b < 3; ++b) {
      all.insert(all.end(), {a, b, 0});
      double sum = weights[3];
      for (size_t k = 0; k < 3; ++k)
        sum += weights[k] * kernels[0][k]->ratio[static_cast<size_t>(a)] * kernels[1][k]->ratio[static_cast<size_t>(b)];
      expected.push_back(sum / 10);
    }
  const std::vector<double> found = mixture.densities(all);
  for (size_t i = 0; i < found.size(); ++i) CHECK(close(found[i], expected[i]), i);
  const std::vector<double> marginal = mixture.densities(size_t{1});
  double total = 0;
  for (const double density : marginal) total += density / 3;  // the flat kernel gives each a third
  CHECK(close(total, 1.0));
}

TEST(draws_follow_the_mixture) {
  std::vector<Kernels> tables;
  tables.emplace_back(Parameter{6, true});
  std::vector<std::vector<const Kernel*>> kernels(1);
  tables[0].of({1, 4, 4}, kernels[0]);
  const Mixture mixture(tables, kernels, {1, 1, 1, 1});
  const std::vector<double> densities = mixture.densities(size_t{0});
  std::vector<double> counts(6);
  Random random(3, 0);
  const int draws = 200000;
  for (int i = 0; i < draws; ++i) ++counts[static_cast<size_t>(mixture.draw(random, size_t{0}))];
  for (int64_t v = 0; v < 6; ++v) {
    const double expected = densities[static_cast<size_t>(v)] * mass(2.5, 6, 6, v);
    CHECK(std::abs(counts[static_cast<size_t>(v)] / draws - expected) < 0.01, v);
  }
}

TEST(good_trials_of_several_objectives_are_ranks_and_the_largest_volume) {
  // Front 0: (0,4) (1,3) (2,2) (4,0); then (3,3); (5,5) breaks a constraint by little, (0,0) by much.
  const std::vector<std::vector<double>> values = {{3, 3}, {1, 3}, {5, 5}, {4, 0}, {2, 2}, {0, 0}, {0, 4}};
  std::vector<Trial> trials;
  for (size_t i = 0; i < values.size(); ++i)
    trials.push_back({static_cast<int64_t>(i), {0}, values[i], i == 2 ? 0.1 : i == 5 ? 2.0 : 0.0});
  Ranking ranking(2);
  for (const Trial& trial : trials) ranking.add(&trial);
  const auto numbers = [&](size_t count) {
    std::set<int64_t> found;
    for (const Trial* trial : ranking.best(count)) found.insert(trial->number);
    return found;
  };
  CHECK(numbers(0).empty());
  CHECK(numbers(1) == std::set<int64_t>({4}));  // 2.4 x 2.4 is the largest box below (4.4, 4.4)
  CHECK(numbers(4) == std::set<int64_t>({1, 3, 4, 6}));
  CHECK(numbers(5) == std::set<int64_t>({0, 1, 3, 4, 6}));
  CHECK(numbers(6) == std::set<int64_t>({0, 1, 2, 3, 4, 6}));
  CHECK(numbers(9).size() == 7);
}

TEST(greedy_subsets_add_the_largest_own_volume) {
  testing::Random random(5);
  for (int objectives = 2; objectives <= 4; ++objectives) {
    std::vector<double> values;
    const int64_t count = 25;
    for (int64_t i = 0; i < count * objectives; ++i) values.push_back(static_cast<double>(random.below(8)));
    const std::vector<double> reference(static_cast<size_t>(objectives), 8.5);
    const std::vector<int64_t> chosen = greedy_subset(values.data(), count, objectives, reference.data(), count);
    CHECK(std::set<int64_t>(chosen.begin(), chosen.end()).size() == static_cast<size_t>(count), objectives);
    std::vector<const double*> taken;
    for (const int64_t position : chosen) {
      const auto gain = [&](int64_t i) {
        return own_volume(&values[static_cast<size_t>(i * objectives)], taken, reference.data(), objectives);
      };
      double most = 0;
      for (int64_t i = 0; i < count; ++i) most = std::max(most, gain(i));
      CHECK(close(gain(position), most) || most < 1e-9, objectives, " ", taken.size());
      taken.push_back(&values[static_cast<size_t>(position * objectives)]);
    }
  }
}

std::vector<double> values_of(const Point& point) {
  double a = 0, b = 0;
  for (size_t d = 0; d < point.size(); ++d) {
    a += std::abs(static_cast<double>(point[d]) - 1);
    b += std::abs(static_cast<double>(point[d]) - 4) * static_cast<double>(d + 1);
  }
  return {a, b};
}

std::vector<Point> study(Tpe& tpe, int64_t from, int64_t to, int objectives, const std::vector<Point>& before) {
  std::vector<Point> points = before;
  for (int64_t n = from; n < to; ++n) {
    points.push_back(tpe.propose(n, {}));
    std::vector<double> values = values_of(points.back());
    values.resize(static_cast<size_t>(objectives));
    if (n % 7 == 3) values[0] = std::nan("");
    tpe.tell(n, points.back(), values, n % 5 == 2 ? 1.0 : 0.0);
  }
  return points;
}

TEST(proposals_depend_on_the_set_of_trials_only) {
  const std::vector<Parameter> parameters = {{6, true}, {6, true}, {6, false}, {1, true}, {3, true}};
  for (const int objectives : {1, 2})
    for (const bool joint : {false, true}) {
      const TpeOptions options{7, 10, 24, joint, true};
      Tpe whole(parameters, objectives, options), first(parameters, objectives, options);
      const std::vector<Point> points = study(whole, 0, 120, objectives, {});
      CHECK(std::set<Point>(points.begin(), points.end()).size() == points.size(), "a point came twice");
      study(first, 0, 60, objectives, {});
      // Told again in another order, as after a stop.
      Tpe second(parameters, objectives, options);
      for (int64_t i = 0; i < 60; ++i) {
        const int64_t n = (i * 17) % 60;
        std::vector<double> values = values_of(points[static_cast<size_t>(n)]);
        values.resize(static_cast<size_t>(objectives));
        if (n % 7 == 3) values[0] = std::nan("");
        second.tell(n, points[static_cast<size_t>(n)], values, n % 5 == 2 ? 1.0 : 0.0);
      }
      CHECK(study(second, 60, 120, objectives, {points.begin(), points.begin() + 60}) == points, objectives, joint);
      CHECK(study(first, 60, 120, objectives, {points.begin(), points.begin() + 60}) == points, objectives, joint);
    }
}

TEST(a_whole_space_is_proposed_once_before_anything_twice) {
  Tpe tpe({{4, true}, {5, true}, {3, false}}, 2, {});
  std::set<Point> seen;
  for (int64_t n = 0; n < 60; ++n) {
    const Point point = tpe.propose(n, {});
    CHECK(seen.insert(point).second, n);
    tpe.tell(n, point, values_of(point), 0);
  }
  const Point again = tpe.propose(60, {});
  CHECK(seen.contains(again));
}

TEST(running_trials_are_not_proposed_again) {
  Tpe tpe({{2, true}, {2, true}}, 1, {1, 0, 24, true, true});
  std::vector<Trial> running;
  std::set<Point> points;
  for (int64_t n = 0; n < 4; ++n) {
    running.push_back({n, tpe.propose(n, running), {}, 0});
    points.insert(running.back().point);
  }
  CHECK(points.size() == 4);
}

TEST(it_finds_the_best_of_a_large_space_sooner_than_chance) {
  double found = 0, by_chance = 0;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    Tpe tpe(std::vector<Parameter>(8, {6, true}), 1, {seed, 10, 24, true, true});
    double best = 1e9, best_by_chance = 1e9;
    Random random(seed, 99);
    for (int64_t n = 0; n < 100; ++n) {
      const Point point = tpe.propose(n, {});
      const double value = values_of(point)[0];
      best = std::min(best, value);
      tpe.tell(n, point, {value}, 0);
      Point other;
      for (int d = 0; d < 8; ++d) other.push_back(random.below(6));
      best_by_chance = std::min(best_by_chance, values_of(other)[0]);
    }
    found += best;
    by_chance += best_by_chance;
  }
  CHECK(found < 0.5 * by_chance, found, " ", by_chance);
}

TEST(bad_input_is_refused) {
  using testing::contains;
  using testing::refusal;
  CHECK(contains(refusal([] { Tpe({}, 1, {}); }), "at least one parameter"));
  CHECK(contains(refusal([] { Tpe({{0, true}}, 1, {}); }), "must have 1..1048576 values, got 0"));
  CHECK(contains(refusal([] { Tpe({{2, true}}, 0, {}); }), "at least one objective"));
  Tpe tpe({{2, true}, {3, true}}, 2, {});
  CHECK(contains(refusal([&] { tpe.tell(0, {1}, {0, 0}, 0); }), "must have 2 indexes, got 1"));
  CHECK(contains(refusal([&] { tpe.tell(0, {1, 3}, {0, 0}, 0); }), "index 1 must be 0..2, got 3"));
  CHECK(contains(refusal([&] { tpe.tell(0, {1, 1}, {0}, 0); }), "must have 2 values, got 1"));
  CHECK(contains(refusal([&] { tpe.propose(0, {{1, {-1, 0}, {}, 0}}); }), "index 0 must be 0..1, got -1"));
}

}  // namespace
}  // namespace chop::search
