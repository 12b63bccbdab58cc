// What a certificate tells, and an evaluator that several callers share.
#include <atomic>
#include <cmath>
#include <thread>

#include "evaluator_cases.h"

namespace chop::evaluator {
namespace {

TEST(a_certificate_tells_what_the_data_did) {
  Data data = make_data(4161);
  const Evaluator evaluator = make(data, 3);
  for (const Config& config :
       {quantized(8, 4), quantized(16, 12), formats(20, 10, 8, 16, 8), formats(8, 8, 4, 24, 24)}) {
    const std::vector<LayerCertificate> found = evaluator.certificate(config);
    CHECK(found.size() == config.size());
    for (const LayerCertificate& layer : found) {
      CHECK(layer.inputs.count == 4161 * (layer.node == "fc1" ? 6 : 9) && layer.inputs.beyond <= layer.inputs.count);
      CHECK(layer.sums == (layer.node != "act2"));
      if (!layer.sums) continue;
      CHECK(layer.countable() && layer.used > 0.0 && layer.used <= layer.reach && layer.reach <= layer.bound,
            layer.node);
      CHECK(!layer.counterexample || layer.reach >= 16777216.0, layer.node);
    }
  }
  CHECK(evaluator.certificate({}).empty());
  data.x[700] = std::nanf("");
  const std::vector<LayerCertificate> found = make(data, 2).certificate(quantized(8, 4));
  for (const LayerCertificate& layer : found) CHECK(!layer.countable() && !layer.data_is_finite, layer.node);
}

// What several threads share is the planner's caches, the kept inputs and the pool.
TEST(callers_share_an_evaluator) {
  const Data data = make_data(4500);
  std::vector<Config> configs{{}};
  for (int width = 2; width <= 16; width += 2) configs.push_back(quantized(width, width / 2));
  const std::vector<std::vector<MetricValue>> expected = make(data, 1).evaluate(configs, kMetrics);
  for (const int threads : {2, 4, 16}) {
    const Evaluator evaluator = make(data, threads);
    std::atomic<int> wrong{0};
    std::vector<std::thread> callers;
    for (size_t caller = 0; caller < 4; ++caller)
      callers.emplace_back([&, caller] {
        for (size_t k = 0; k < configs.size(); ++k) {
          const size_t at = (k * (caller + 1) + caller) % configs.size();
          wrong += !same(evaluator.evaluate({configs[at]}, kMetrics)[0], expected[at]);
        }
        const std::vector<std::vector<MetricValue>> all = evaluator.evaluate(configs, kMetrics);
        for (size_t k = 0; k < configs.size(); ++k) wrong += !same(all[k], expected[k]);
        wrong += evaluator.certificate(configs[1 + caller]).size() != 3;
      });
    for (std::thread& caller : callers) caller.join();
    CHECK(wrong == 0, threads, " threads: ", wrong.load(), " wrong");
  }
}

}  // namespace
}  // namespace chop::evaluator
