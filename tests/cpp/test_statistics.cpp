// Statistics against plain formulas: layouts of every awkward size, NaN, infinities, merging, selection.
#include <algorithm>
#include <cmath>
#include <limits>
#include <thread>

#include "chop/kernels/kernels.h"
#include "chop/statistics/moment_sums.h"
#include "chop/statistics/selection.h"
#include "chop/statistics/statistic.h"
#include "samples.h"
#include "test.h"

namespace chop {
namespace {

using namespace testing;
using statistics::make;
using statistics::Result;
using statistics::Values;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

bool close(double a, double b, double scale) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) == std::isnan(b);
  return a == b || std::fabs(a - b) <= 1e-12 * scale;
}

std::vector<float> numbers(int64_t n, uint64_t seed, double nan_share = 0.0) {
  Random random(seed);
  std::vector<float> x(static_cast<size_t>(n));
  for (float& v : x) {
    v = random.uniform(-5.0f, 9.0f);
    if (random.uniform(0.0f, 1.0f) < nan_share) v = kNaN;
  }
  return x;
}

struct Plain {
  int64_t n = 0;
  double mean = 0.0, squares = 0.0, low = INFINITY, high = -INFINITY;
};

Plain plain(const std::vector<float>& x, int64_t groups, int64_t g, bool abs) {
  Plain p;
  double sum = 0.0;
  for (size_t i = static_cast<size_t>(g); i < x.size(); i += static_cast<size_t>(groups)) {
    const double v = abs ? std::fabs(x[i]) : x[i];
    if (std::isnan(v)) continue;
    ++p.n;
    sum += v;
    p.low = std::min(p.low, v);
    p.high = std::max(p.high, v);
  }
  p.mean = sum / static_cast<double>(p.n);
  for (size_t i = static_cast<size_t>(g); i < x.size(); i += static_cast<size_t>(groups)) {
    const double v = abs ? std::fabs(x[i]) : x[i];
    if (!std::isnan(v)) p.squares += (v - p.mean) * (v - p.mean);
  }
  return p;
}

TEST(moment_kernels_agree_with_the_reference) {
  for (const Isa isa : available_isas())
    for (const int64_t rows : {1, 2, 3, 7, 64})
      for (const int64_t width : {32, 64, 160})
        for (const bool abs : {false, true}) {
          const int64_t stride = width + 5;
          const std::vector<float> x = numbers(rows * stride, static_cast<uint64_t>(rows * width));
          const std::vector<double> wide(x.begin(), x.end());
          const auto compare = [&](const auto& data, const auto& fast, const auto& slow) {
            using T = std::decay_t<decltype(data[0])>;
            const auto n = static_cast<size_t>(width);
            std::vector<double> sum(n), sum2(n), rest(n), rest2(n), squares(n), squares2(n);
            std::vector<T> low(n), low2(n), high(n), high2(n);
            fast.sums(data.data(), rows, stride, width, abs, sum.data(), low.data(), high.data());
            slow.sums(data.data(), rows, stride, width, abs, sum2.data(), low2.data(), high2.data());
            CHECK(first_difference(low, low2) < 0 && first_difference(high, high2) < 0, isa_name(isa), " ", rows);
            fast.squares(data.data(), rows, stride, width, abs, sum2.data(), rest.data(), squares.data());
            slow.squares(data.data(), rows, stride, width, abs, sum2.data(), rest2.data(), squares2.data());
            for (size_t i = 0; i < n; ++i)
              CHECK(close(sum[i], sum2[i], 1e3) && close(squares[i], squares2[i], 1e7) && close(rest[i], rest2[i], 1e3),
                    isa_name(isa), " at ", i);
          };
          compare(x, kernels(isa).moments_f32, reference_kernels.moments_f32);
          compare(wide, kernels(isa).moments_f64, reference_kernels.moments_f64);
        }
}

TEST(window_kernels_agree_with_the_reference) {
  for (const Isa isa : available_isas())
    for (const int n : awkward_sizes(1003)) {
      std::vector<float> x = numbers(n, static_cast<uint64_t>(n), 0.1);
      for (size_t i = 0; i < x.size(); i += 7) x[i] = 1.0f;
      const std::vector<double> wide(x.begin(), x.end());
      for (const auto& [low, high] : {std::pair{1.0f, 2.0f}, {-kInfinity, kInfinity}, {0.0f, 1.0f}, {1.0f, 1.0f}}) {
        const auto compare = [&, l = low, h = high](const auto& data, auto fast, auto slow) {
          auto a = data, b = data;
          a.resize(data.size() + 1);
          b.resize(data.size() + 1);
          WindowCounts ca, cb;
          const int64_t found = fast(data.data(), n, l, h, &ca, a.data()),
                        expected = slow(data.data(), n, l, h, &cb, b.data());
          CHECK(found == expected && std::equal(a.begin(), a.begin() + found, b.begin()), isa_name(isa), " n ", n);
          CHECK(ca.below == cb.below && ca.to_low == cb.to_low && ca.to_high == cb.to_high && ca.numbers == cb.numbers);
        };
        compare(x, kernels(isa).window_f32, reference_kernels.window_f32);
        compare(wide, kernels(isa).window_f64, reference_kernels.window_f64);
      }
    }
}

TEST(moments_of_every_layout) {
  for (const int64_t groups : {1, 2, 3, 5, 16, 31, 32, 33, 64, 100, 1000, 2050})
    for (const int64_t rows : {1, 2, 31, 32, 33, 500})
      for (const double nan_share : {0.0, 0.05}) {
        const std::vector<float> x = numbers(rows * groups, static_cast<uint64_t>(rows + groups), nan_share);
        statistics::MomentSums sums;
        sums.reset(groups);
        const int64_t first = rows / 3;  // cut in two, unevenly
        if (first > 0) sums.add(x.data(), first, rows % 2 == 0);
        sums.add(x.data() + first * groups, rows - first, rows % 2 == 0);
        for (int64_t g = 0; g < groups; ++g) {
          const Plain p = plain(x, groups, g, rows % 2 == 0);
          CHECK(sums.count[g] == p.n && sums.nan[g] == rows - p.n, "groups ", groups, " rows ", rows);
          if (p.n == 0) continue;
          CHECK(sums.least[g] == p.low && sums.most[g] == p.high, "groups ", groups, " rows ", rows);
          CHECK(close(sums.mean[g], p.mean, 10.0) && close(sums.squares[g], p.squares, 1e5), "groups ", groups);
        }
      }
}

TEST(infinities_give_an_infinite_mean_and_no_variance) {
  statistics::MomentSums sums;
  sums.reset(1);
  std::vector<float> x(200, 1.0f);
  x[70] = kInfinity;
  sums.add(x.data(), 200, false);
  x[70] = 2.0f;
  sums.add(x.data(), 200, false);  // finite numbers after it change neither
  CHECK(sums.mean[0] == INFINITY && std::isnan(sums.squares[0]) && sums.count[0] == 400);
  x[3] = -kInfinity;
  sums.add(x.data(), 200, false);
  CHECK(std::isnan(sums.mean[0]) && sums.least[0] == -INFINITY && sums.most[0] == INFINITY);
}

TEST(a_merge_of_threads_is_the_whole) {
  const int64_t groups = 5, rows = 4000;
  const std::vector<float> x = numbers(rows * groups, 3, 0.01);
  for (const auto& entry : statistics::registry().members()) {
    const int64_t n = entry.first == "record" ? 1 : groups;
    const int64_t all = rows * groups / n, part = all / 4;
    const auto whole = make(entry.first, {});
    whole->update(Values(x.data(), all, n));
    std::vector<std::unique_ptr<statistics::Statistic>> parts;
    for (int i = 0; i < 4; ++i) parts.push_back(make(entry.first, {}));
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&, i] { parts[i]->update(Values(x.data() + i * part * n, part, n)); });
    for (std::thread& thread : threads) thread.join();
    const auto merged = make(entry.first, {});
    for (const auto& p : parts) merged->merge(*p);
    const Result a = whole->compute(), b = merged->compute();
    CHECK(a.count == b.count && a.nan == b.nan, entry.first);
    for (size_t f = 0; f < a.fields.size(); ++f)
      for (size_t i = 0; i < a.fields[f].values.size(); ++i)
        CHECK(close(a.fields[f].values[i], b.fields[f].values[i], 100.0), entry.first, " ", a.fields[f].name);
  }
}

double sorted_quantile(std::vector<float> x, double q) {
  std::sort(x.begin(), x.end());
  const double position = q * static_cast<double>(x.size() - 1);
  const auto i = static_cast<size_t>(position);
  const double low = x[i], high = x[std::min(i + 1, x.size() - 1)];
  const double weight = position - static_cast<double>(i);
  return low == high || weight == 0.0 ? low : low * (1.0 - weight) + high * weight;
}

TEST(quantiles_are_exact_on_every_road) {
  for (const int64_t n : {1, 2, 3, 100, 32768, 32769, 200'000})
    for (const int kind : {0, 1, 2, 3, 4}) {
      std::vector<float> x = numbers(n, static_cast<uint64_t>(n));
      for (size_t i = 0; i < x.size(); ++i) {
        if (kind == 1) x[i] = std::max(x[i], 0.0f);                 // ties at zero
        if (kind == 2) x[i] = i % 2 == 0 ? 1.0f : 1.0f + 0x1p-23f;  // two neighbours
        if (kind == 3 && i % 5 == 0) x[i] = i % 2 == 0 ? kInfinity : -kInfinity;
        if (kind == 4) x[i] = x[i] * 1e-41f;  // subnormal
      }
      std::vector<float> with_nan = x;
      for (int i = 0; i < 50; ++i)
        with_nan.insert(with_nan.begin() + (i * 7919) % static_cast<int64_t>(with_nan.size()), kNaN);
      statistics::Pieces<float> pieces;
      pieces.append(with_nan.data(), static_cast<int64_t>(with_nan.size()) / 2, 1, false);
      pieces.append(with_nan.data() + with_nan.size() / 2, static_cast<int64_t>(with_nan.size() - with_nan.size() / 2),
                    1, false);
      const std::vector<double> asked = {0.0, 0.03, 0.5, 0.97, 1.0};
      const statistics::Quantiles found = statistics::quantiles(pieces, asked);
      CHECK(found.count == n);
      for (size_t i = 0; i < asked.size(); ++i) {
        const double expected = sorted_quantile(x, asked[i]);
        CHECK(close(found.values[i], expected, std::fabs(expected)), "n ", n, " kind ", kind, " q ", asked[i]);
      }
    }
}

TEST(floats_become_doubles_when_a_double_comes) {
  const std::vector<float> narrow = {1.0f, 2.0f};
  const std::vector<double> wide = {3.0000000001};
  const auto stat = make("range_quantile", {{"quantile", 1.0}});
  stat->update(Values(narrow.data(), 2, 1));
  stat->update(Values(wide.data(), 1, 1));
  stat->update(Values(narrow.data(), 2, 1));
  const Result result = stat->compute();
  CHECK(result.fields[1].values[0] == 3.0000000001 && result.count[0] == 5);
}

TEST(statistics_refuse_what_they_cannot_use) {
  const float x[2] = {1.0f, 2.0f};
  CHECK_REFUSED("statistic 'varianz' is not known; known: abs_mean", make("varianz", {}));
  CHECK_REFUSED("argument 'dof' is not known", make("variance_online", {{"dof", int64_t{1}}}));
  CHECK_REFUSED("quantile must be a number", make("range_quantile", {{"quantile", std::string("high")}}));
  CHECK_REFUSED("quantile must be 0..1, got 2", make("range_quantile", {{"quantile", int64_t{2}}}));
  const auto stat = make("moments", {});
  CHECK_REFUSED("no sample was given yet", stat->compute());
  CHECK_REFUSED("an empty tensor", stat->update(Values(x, 0, 1)));
  stat->update(Values(x, 1, 2));
  CHECK_REFUSED("every tensor must give 2 groups, got 1", stat->update(Values(x, 2, 1)));
  CHECK_REFUSED("merged with itself", stat->merge(*stat));
  CHECK_REFUSED("same name and arguments", stat->merge(*make("moments", {{"ddof", int64_t{0}}})));
}

}  // namespace
}  // namespace chop
