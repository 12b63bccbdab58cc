// Nodes that somebody outside the core computes: rows arrive in order, and come back to where they belong.
#include <atomic>
#include <cmath>
#include <mutex>

#include "chop/evaluator/evaluator.h"
#include "graphs.h"
#include "samples.h"
#include "test.h"

namespace chop::evaluator {
namespace {

using namespace testing;

// x -> fc1 -> opaque (of fc1 and x) -> fc2
ir::Graph with_opaque() {
  return ir::Graph::from_specs({{"x", "input", {}, {}, {}, {ir::kBatch, 6}},
                                linear("fc1", "x", 6, 9),
                                {"mixed", "opaque", {"fc1", "x"}, {{"shape", ir::List{3, 5}}}, {}, {}},
                                {"rows", "flatten", {"mixed"}, {{"start_dim", 1.0}, {"end_dim", -1.0}}, {}, {}},
                                linear("fc2", "rows", 15, 4)},
                               "fc2");
}

float mixed(const float* nine, const float* six, int i) { return nine[i % 9] - 2.0f * six[i % 6]; }

std::shared_ptr<TorchCall> empty_call() {
  const auto call = std::make_shared<TorchCall>();
  call->node = "mixed";
  call->input_sizes = {9, 6};
  call->output_size = 15;
  return call;
}

std::shared_ptr<TorchCall> mixing_call(std::vector<int>* calls = nullptr) {
  const auto call = empty_call();
  const auto guard = std::make_shared<std::mutex>();
  call->run = [calls, guard](const std::vector<const float*>& in, float* out, int rows) {
    for (int row = 0; row < rows; ++row)
      for (int i = 0; i < 15; ++i) out[row * 15 + i] = mixed(in[0] + row * 9, in[1] + row * 6, i);
    const std::lock_guard lock(*guard);
    if (calls) calls->push_back(rows);
  };
  return call;
}

struct Sample {
  std::vector<float> x;
  std::vector<int64_t> y;
};

Sample sample(int64_t rows) {
  Sample data{uniform_values(rows * 6, -3.0f, 3.0f, 7), {}};
  for (int64_t row = 0; row < rows; ++row) data.y.push_back(row % 4);
  return data;
}

Evaluator make(const Sample& data, int threads, const TorchCallPtr& call) {
  return {with_opaque(), data.x.data(), data.y.data(),    static_cast<int64_t>(data.y.size()), 6,
          threads,       true,          {{"mixed", call}}};
}

std::vector<float> plain(const ir::Node& node, const std::vector<float>& x) {
  const auto &w = node.values("weight"), &b = node.values("bias");
  std::vector<float> y;
  for (size_t o = 0; o < b.size(); ++o) {
    double sum = static_cast<double>(b[o]);
    for (size_t i = 0; i < x.size(); ++i) sum += static_cast<double>(w[o * x.size() + i]) * static_cast<double>(x[i]);
    y.push_back(static_cast<float>(sum));
  }
  return y;
}

// Of each config.
std::vector<double> losses(const Evaluator& evaluator, const std::vector<Config>& configs) {
  std::vector<double> found;
  for (const auto& values : evaluator.evaluate(configs, {{"loss", {}}})) found.push_back(values[0].numbers[0]);
  return found;
}

TEST(a_call_gets_its_rows_and_gives_them_back) {
  const ir::Graph graph = with_opaque();
  for (const int64_t rows : {1, 2, 63, 64, 65, 129, 4097}) {
    const Sample data = sample(rows);
    for (const int threads : {1, 3}) {
      const TorchCallPtr call = mixing_call();
      std::vector<float> logits(static_cast<size_t>(rows) * 4);
      make(data, threads, call).forward({}, logits.data());
      CHECK(call->nanoseconds > 0);
      for (int64_t row = 0; row < rows; ++row) {
        const float* from = &data.x[static_cast<size_t>(row) * 6];
        const std::vector<float> nine = plain(graph.nodes()[1], {from, from + 6});
        std::vector<float> between;
        for (int i = 0; i < 15; ++i) between.push_back(mixed(nine.data(), from, i));
        const std::vector<float> expected = plain(graph.nodes()[4], between);
        for (size_t c = 0; c < 4; ++c)
          CHECK(std::fabs(logits[static_cast<size_t>(row) * 4 + c] - expected[c]) < 1e-4f, "rows ", rows, " row ", row);
      }
    }
  }
}

TEST(a_call_gets_only_rows_of_data_and_many_of_them) {
  std::vector<int> calls;
  losses(make(sample(4096 + 70), 1, mixing_call(&calls)), {{}});
  CHECK(calls == (std::vector<int>{4096, 70}));
}

TEST(company_and_threads_change_nothing) {
  const Sample data = sample(9000);
  const FixedPoint f = make_fixed_point(8, 4, true);
  const std::map<std::string, FixedPoint> all{{"data_in", f}, {"weight", f}, {"bias", f}};
  const TorchCallPtr call = mixing_call();
  const auto doubled = empty_call();
  doubled->run = [call](const std::vector<const float*>& in, float* out, int rows) {
    call->run(in, out, rows);
    for (int i = 0; i < rows * 15; ++i) out[i] *= 2.0f;
  };
  const std::vector<Config> configs{{}, {{"fc2", "integer", all, nullptr}}, {{"mixed", "", {}, doubled}}};
  std::vector<double> alone;
  for (const Config& config : configs) alone.push_back(losses(make(data, 1, call), {config})[0]);
  CHECK(alone[0] != alone[2]);
  for (const int threads : {1, 2, 4})
    CHECK(first_difference(losses(make(data, threads, call), configs), alone) < 0, threads, " threads");
}

TEST(an_exception_arrives_and_the_pool_lives_on) {
  const Sample data = sample(9000);
  std::atomic<bool> broken{false};
  const TorchCallPtr inner = mixing_call();
  const auto call = empty_call();
  call->run = [&](const std::vector<const float*>& in, float* out, int rows) {
    check(!broken, "broken");
    inner->run(in, out, rows);
  };
  const Evaluator evaluator = make(data, 3, call);
  const std::vector<double> expected = losses(evaluator, {{}});
  for (int i = 0; i < 3; ++i) {
    broken = true;
    CHECK_REFUSED("broken", losses(evaluator, {{}}));
    broken = false;
    CHECK(first_difference(losses(evaluator, {{}}), expected) < 0);
  }
}

TEST(a_call_of_other_sizes_is_refused) {
  const Sample data = sample(3);
  for (const auto& [inputs, output] : {std::pair<std::vector<int64_t>, int64_t>{{}, 15},
                                       {{9}, 15},
                                       {{9, 7}, 15},
                                       {{9, 6}, 16},
                                       {{9, 6, 1}, 15},
                                       {{-9, 6}, 15},
                                       {{9, 6}, int64_t{1} << 40}}) {
    const auto call = mixing_call();
    call->input_sizes = inputs;
    call->output_size = output;
    CHECK_REFUSED("must have input_sizes = [9, 6] and output_size = 15", make(data, 1, call));
  }
}

TEST(an_opaque_node_needs_its_call) {
  const Sample data = sample(3);
  CHECK(nodes_for_torch(with_opaque()) == std::vector<std::string>{"mixed"});
  CHECK_REFUSED("node mixed (opaque) is of a kind that the evaluator does not run",
                Evaluator(with_opaque(), data.x.data(), data.y.data(), 3, 6, 1, true));
}

}  // namespace
}  // namespace chop::evaluator
