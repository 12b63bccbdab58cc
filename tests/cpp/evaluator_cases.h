// A small network, its data and its configs.
#pragma once

#include "chop/evaluator/evaluator.h"
#include "graphs.h"
#include "samples.h"
#include "test.h"

namespace chop::evaluator {

using namespace testing;

struct Data {
  int64_t rows;
  std::vector<float> x;
  std::vector<int64_t> y;
};

inline Data make_data(int64_t rows) {
  Data data{rows, uniform_values(rows * 6, -3.0f, 3.0f, 42), {}};
  Random random(43);
  for (int64_t row = 0; row < rows; ++row) data.y.push_back(random.below(4));
  return data;
}

inline Evaluator make(const Data& data, int threads, bool fused = true) {
  return {small_network(), data.x.data(), data.y.data(), data.rows, 6, threads, fused};
}

inline Config quantized(int width, int frac) {
  const FixedPoint f = make_fixed_point(width, frac, true);
  const std::map<std::string, FixedPoint> all{{"data_in", f}, {"weight", f}, {"bias", f}};
  return {{"fc1", "integer", all, nullptr},
          {"act2", "integer", {{"data_in", make_fixed_point(width, frac, false)}}, nullptr},
          {"fc2", "integer", all, nullptr}};
}

inline const std::vector<MetricSpec> kMetrics{
    {"confusion_matrix", {}}, {"accuracy_micro", {}}, {"loss", {}},     {"loss", {{"mean_of_batches", 100}}},
    {"output_mse", {}},       {"output_kl", {}},      {"agreement", {}}};

inline bool same(const std::vector<MetricValue>& a, const std::vector<MetricValue>& b) {
  for (size_t i = 0; i < a.size(); ++i)
    if (first_difference(a[i].numbers, b[i].numbers) >= 0) return false;
  return a.size() == b.size();
}

inline Config formats(int x_width, int weight_width, int frac, int bias_width, int bias_frac) {
  const std::map<std::string, FixedPoint> all{{"data_in", make_fixed_point(x_width, frac, true)},
                                              {"weight", make_fixed_point(weight_width, frac, true)},
                                              {"bias", make_fixed_point(bias_width, bias_frac, true)}};
  return {{"fc1", "integer", all, nullptr}, {"fc2", "integer", all, nullptr}};
}

}  // namespace chop::evaluator
