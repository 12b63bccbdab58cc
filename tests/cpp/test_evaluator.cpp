// The evaluator: the same answer for any number of threads and any company, and right on every tail.
#include <cmath>

#include "chop/evaluator/evaluator.h"
#include "chop/evaluator/metrics/score.h"
#include "chop/ir/text.h"
#include "graphs.h"
#include "samples.h"
#include "test.h"

namespace chop::evaluator {
namespace {

using namespace testing;

struct Data {
  int64_t rows;
  std::vector<float> x;
  std::vector<int64_t> y;
};

Data make_data(int64_t rows) {
  Data data{rows, uniform_values(rows * 6, -3.0f, 3.0f, 42), {}};
  Random random(43);
  for (int64_t row = 0; row < rows; ++row) data.y.push_back(random.below(4));
  return data;
}

Evaluator make(const Data& data, int threads, bool fused = true) {
  return {small_network(), data.x.data(), data.y.data(), data.rows, 6, threads, fused};
}

Config quantized(int width, int frac) {
  const FixedPoint f = make_fixed_point(width, frac, true);
  const std::map<std::string, FixedPoint> all{{"data_in", f}, {"weight", f}, {"bias", f}};
  return {{"fc1", "integer", all},
          {"act2", "integer", {{"data_in", make_fixed_point(width, frac, false)}}},
          {"fc2", "integer", all}};
}

const std::vector<MetricSpec> kMetrics{
    {"confusion_matrix", {}}, {"accuracy_micro", {}}, {"loss", {}},     {"loss", {{"mean_of_batches", 100}}},
    {"output_mse", {}},       {"output_kl", {}},      {"agreement", {}}};

bool same(const std::vector<MetricValue>& a, const std::vector<MetricValue>& b) {
  for (size_t i = 0; i < a.size(); ++i)
    if (first_difference(a[i].numbers, b[i].numbers) >= 0) return false;
  return a.size() == b.size();
}

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

TEST(roads_follow_the_bound) {
  const Data data = make_data(10);
  const Evaluator evaluator = make(data, 1);
  for (const LayerReport& layer : evaluator.layers({})) CHECK(layer.road == Road::float32 && layer.bound == 0.0);
  for (const LayerReport& layer : evaluator.layers(quantized(8, 4)))
    CHECK(layer.road == Road::exact_float32 && layer.bound > 0.0 && layer.bound < 16777216.0, layer.node);
  for (const LayerReport& layer : evaluator.layers(quantized(24, 20)))
    CHECK(layer.road == Road::float64 && layer.bound >= 16777216.0, layer.node);
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
  CHECK_REFUSED("a node that the graph lacks", evaluate({"fc9", "integer", {{"data_in", f}}}));
  CHECK_REFUSED("node fc1 has no format for weight", evaluate({"fc1", "integer", {{"data_in", f}}}));
  CHECK_REFUSED("node bn (batch_norm1d) takes no formats", evaluate({"bn", "integer", {{"data_in", f}}}));
  CHECK_REFUSED("quantizer 'floating' is not known; known: integer", evaluate({"act1", "floating", {{"data_in", f}}}));
}

}  // namespace
}  // namespace chop::evaluator
