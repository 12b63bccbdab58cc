// The evaluator: the same answer for any number of threads and any company, and right on every tail.
#include <cmath>

#include "chop/evaluator/evaluator.h"
#include "chop/evaluator/metrics/score.h"
#include "chop/ir/text.h"
#include "evaluator_cases.h"
#include "test.h"

namespace chop::evaluator {
namespace {

using namespace testing;

float fake(float x, const FixedPoint& f) {
  const double code = std::nearbyint(static_cast<double>(x) * f.inverse_scale());
  return static_cast<float>(std::fmin(std::fmax(code, f.qmin()), f.qmax()) * f.scale());
}

// One layer after the other in double; exact for narrow formats, close otherwise.
std::vector<double> plain_linear(const ir::Node& node, const std::vector<double>& x, const FixedPoint* f) {
  const auto grid = [&](double v) { return f ? static_cast<double>(fake(static_cast<float>(v), *f)) : v; };
  const auto &w = node.values("weight"), &b = node.values("bias");
  std::vector<double> y;
  for (size_t o = 0; o < b.size(); ++o) {
    double sum = grid(b[o]);
    for (size_t i = 0; i < x.size(); ++i) sum += grid(w[o * x.size() + i]) * grid(x[i]);
    y.push_back(static_cast<double>(static_cast<float>(sum)));
  }
  return y;
}

std::vector<double> plain_forward(const ir::Graph& graph, const float* x, int width, int frac) {
  const bool on = width > 0;
  const FixedPoint f = on ? make_fixed_point(width, frac, true) : FixedPoint{};
  const FixedPoint u = on ? make_fixed_point(width, frac, false) : FixedPoint{};
  const ir::Node& bn = graph.nodes()[1];
  std::vector<double> v;
  for (size_t i = 0; i < 6; ++i) {
    const float alpha = 1.0f / std::sqrt(bn.values("running_var")[i] + 1e-5f) * bn.values("weight")[i];
    const float beta = std::fma(-bn.values("running_mean")[i], alpha, bn.values("bias")[i]);
    v.push_back(std::fmax(std::fma(x[i], alpha, beta), 0.0f));
  }
  v = plain_linear(graph.nodes()[3], v, on ? &f : nullptr);
  for (double& value : v) value = std::fmax(on ? static_cast<double>(fake(static_cast<float>(value), u)) : value, 0.0);
  return plain_linear(graph.nodes()[5], v, on ? &f : nullptr);
}

TEST(logits_equal_the_plain_computation) {
  const ir::Graph graph = small_network();
  for (const int64_t rows : {1, 63, 64, 65, 4161}) {
    const Data data = make_data(rows);
    const Evaluator evaluator = make(data, 2);
    for (const auto& [width, frac] : {std::pair{0, 0}, {8, 4}, {6, 3}, {3, 1}, {16, 8}}) {
      std::vector<float> logits(static_cast<size_t>(rows) * 4, 77.0f);
      evaluator.forward(width ? quantized(width, frac) : Config{}, logits.data());
      for (int64_t row = 0; row < rows; ++row) {
        const std::vector<double> expected = plain_forward(graph, &data.x[static_cast<size_t>(row) * 6], width, frac);
        for (size_t c = 0; c < 4; ++c) {
          const double got = static_cast<double>(logits[static_cast<size_t>(row) * 4 + c]);
          // Narrow formats are exact on either road; wide and float sums round.
          const double tolerance = width == 0 || width > 8 ? 1e-4 : 0.0;
          CHECK(std::fabs(got - expected[c]) <= tolerance, "rows ", rows, " row ", row, " width ", width, " got ", got,
                " expected ", expected[c]);
        }
      }
    }
  }
}

TEST(threads_and_company_change_nothing) {
  for (const int64_t rows : {1, 63, 64, 65, 4095, 4096, 4097, 20011}) {
    const Data data = make_data(rows);
    const std::vector<Config> configs{{}, quantized(8, 4), quantized(16, 12), quantized(4, 2)};
    const std::vector<std::vector<MetricValue>> expected = make(data, 1).evaluate(configs, kMetrics);
    for (int threads = 1; threads <= 4; ++threads) {
      const Evaluator evaluator = make(data, threads);
      CHECK(evaluator.threads() == threads && evaluator.rows() == rows);
      const std::vector<std::vector<MetricValue>> together = evaluator.evaluate(configs, kMetrics);
      for (size_t i = 0; i < configs.size(); ++i) {
        CHECK(same(together[i], expected[i]), threads, " threads, rows ", rows, ", config ", i);
        CHECK(same(evaluator.evaluate({configs[i]}, kMetrics)[0], expected[i]), "alone, rows ", rows, ", config ", i);
      }
    }
  }
}

TEST(metrics_count_what_forward_says) {
  for (const int64_t rows : {1, 63, 64, 65, 4161}) {
    const Data data = make_data(rows);
    const Evaluator evaluator = make(data, 3);
    const Config config = quantized(6, 3);
    std::vector<float> logits(static_cast<size_t>(rows) * 4);
    evaluator.forward(config, logits.data());
    int64_t right = 0;
    double loss = 0.0;
    for (size_t row = 0; row < static_cast<size_t>(rows); ++row) {
      const float* z = &logits[row * 4];
      int64_t best = 0;
      double sum = 0.0;
      for (int c = 0; c < 4; ++c) {
        if (z[c] > z[best]) best = c;
        sum += std::exp(static_cast<double>(z[c]));
      }
      right += best == data.y[row];
      loss += std::log(sum) - static_cast<double>(z[data.y[row]]);
    }
    const std::vector<MetricValue> found = evaluator.evaluate({config}, {{"accuracy_micro", {}}, {"loss", {}}})[0];
    CHECK(found[0].numbers[0] == static_cast<double>(right) / static_cast<double>(rows), "rows ", rows);
    CHECK(std::fabs(found[1].numbers[0] - loss / static_cast<double>(rows)) < 1e-6, "rows ", rows);
  }
}

TEST(metrics_of_an_evaluation_are_those_of_its_logits) {
  for (const int64_t rows : {1, 64, 65, 4161}) {
    const Data data = make_data(rows);
    const Evaluator evaluator = make(data, 2);
    std::vector<float> logits(static_cast<size_t>(rows) * 4), reference(logits.size());
    evaluator.forward(quantized(6, 3), logits.data());
    evaluator.forward({}, reference.data());
    const Outputs outputs{logits.data(), data.y.data(), reference.data(), rows, 4};
    CHECK(same(evaluator.evaluate({quantized(6, 3)}, kMetrics)[0], score(outputs, kMetrics, 1)), "rows ", rows);
  }
}

TEST(data_may_have_no_labels) {
  const Data data = make_data(100);
  const Evaluator labelled = make(data, 1), bare(small_network(), data.x.data(), nullptr, 100, 6, 1, true);
  const std::vector<MetricSpec> specs{{"output_mse", {}}, {"agreement", {}}};
  CHECK(same(bare.evaluate({quantized(6, 3)}, specs)[0], labelled.evaluate({quantized(6, 3)}, specs)[0]));
  CHECK_REFUSED("metric 'loss' needs labels, and there are none", bare.evaluate({{}}, {{"loss", {}}}));
}

TEST(roads_follow_formats_and_bound) {
  const Data data = make_data(10);
  const Evaluator evaluator = make(data, 1);
  for (const LayerReport& layer : evaluator.layers({})) CHECK(layer.road == Road::float32 && layer.bound == 0.0);
  struct Case {
    Config config;
    Road road;
    bool exact;
  };
  const std::vector<Case> cases{
      {formats(8, 8, 4, 8, 4), Road::int8, true},           {formats(8, 8, 4, 24, 24), Road::int8, false},
      {formats(10, 8, 4, 8, 4), Road::exact_float32, true}, {formats(16, 10, 8, 16, 8), Road::int16, false},
      {formats(20, 10, 8, 16, 8), Road::int32, false},      {formats(24, 24, 20, 24, 20), Road::float64, false}};
  for (size_t i = 0; i < cases.size(); ++i)
    for (const LayerReport& layer : evaluator.layers(cases[i].config)) {
      CHECK(layer.road == cases[i].road, "case ", i, ", ", layer.node, ": ", road_name(layer.road), ", bound ",
            layer.bound);
      CHECK((layer.bound < 16777216.0) == cases[i].exact && layer.bound > 0.0, "case ", i, ": ", layer.bound);
    }
}

TEST(bad_input_is_refused) {
  Data data = make_data(65);
  const auto with = [&](int64_t rows, int64_t features, int threads) {
    Evaluator(small_network(), data.x.data(), data.y.data(), rows, features, threads, true);
  };
  CHECK_REFUSED("x has no rows", with(0, 6, 1));
  CHECK_REFUSED("x has 5 features, the model takes 6", with(65, 5, 1));
  CHECK_REFUSED("threads must be", with(65, 6, 0));
  data.y[64] = 4;
  CHECK_REFUSED("y[64] is 4; the model has 4 classes", with(65, 6, 1));
  data.y[64] = -1;
  CHECK_REFUSED("y[64] is -1", with(65, 6, 1));
  data.y[64] = INT64_MIN;
  CHECK_REFUSED("y[64] is -9223372036854775808", with(65, 6, 1));
  const ir::Graph parsed = ir::parse(ir::print(small_network()));
  CHECK_REFUSED("holds only their digests", Evaluator(parsed, data.x.data(), data.y.data(), 64, 6, 1, true));
}

TEST(bad_configs_are_refused) {
  const Data data = make_data(3);
  const Evaluator evaluator = make(data, 1);
  const FixedPoint f = make_fixed_point(8, 4, true);
  const auto evaluate = [&](const NodeFormat& format) { evaluator.evaluate({{format}}, {}); };
  CHECK_REFUSED("a node that the graph lacks", evaluate({"fc9", "integer", {{"data_in", f}}, nullptr}));
  CHECK_REFUSED("node bn (batch_norm1d) takes no formats", evaluate({"bn", "integer", {{"data_in", f}}, nullptr}));
  CHECK_REFUSED("quantizer 'floating' is not known; known: integer",
                evaluate({"act1", "floating", {{"data_in", f}}, nullptr}));
}

TEST(what_it_cannot_run_is_refused) {
  const ir::Graph::Spec x{"x", "input", {}, {}, {}, {ir::kBatch, 6}}, y{"y", "input", {}, {}, {}, {ir::kBatch, 6}};
  const ir::Graph::Spec a{"a", "relu", {"x"}, {}, {}, {}};
  CHECK_REFUSED("the graph has 2 inputs", Planner(ir::Graph::from_specs({x, y, a}, "a"), 1.0, true));
}

// Every reader of a value may want it in another form; readers of which nothing is needed change nothing.
TEST(a_value_may_have_many_readers) {
  const Data data = make_data(130);
  const ir::Graph::Spec x{"x", "input", {}, {}, {}, {ir::kBatch, 6}}, a{"a", "relu", {"x"}, {}, {}, {}};
  const std::vector<ir::Graph::Spec> specs{x, a, linear("fc1", "a", 6, 9), linear("unused", "fc1", 9, 3),
                                           linear("fc2", "a", 6, 4)};
  const ir::Graph many = ir::Graph::from_specs(specs, "fc2"), one = ir::Graph::from_specs({x, a, specs[4]}, "fc2");
  Config config = formats(8, 8, 4, 8, 4), alone{config[1]};
  config[0].operands["data_in"] = make_fixed_point(16, 9, true);
  const auto logits = [&](const ir::Graph& graph, const Config& c) {
    std::vector<float> found(130 * 4);
    Evaluator(graph, data.x.data(), data.y.data(), 130, 6, 2, true).forward(c, found.data());
    return found;
  };
  CHECK(first_difference(logits(many, config), logits(one, alone)) == -1);
  CHECK(first_difference(logits(many, {}), logits(one, {})) == -1);
}

}  // namespace
}  // namespace chop::evaluator
