// Pieces of graphs with random parameters.
#pragma once

#include <string>
#include <vector>

#include "chop/ir/graph.h"
#include "test.h"

namespace chop::testing {

inline std::vector<float> random_values(Random& random, int64_t count, float lo, float hi) {
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) values.push_back(random.uniform(lo, hi));
  return values;
}

inline ir::Graph::Spec linear(const std::string& name, const std::string& from, int64_t in, int64_t out) {
  Random random(static_cast<uint64_t>(in * 1000 + out));
  return {name,
          "linear",
          {from},
          {},
          {ir::Parameter::of("weight", {out, in}, random_values(random, out * in, -1.0f, 1.0f)),
           ir::Parameter::of("bias", {out}, random_values(random, out, -1.0f, 1.0f))},
          {}};
}

inline ir::Graph::Spec normalized(const std::string& name, const std::string& from, int64_t features) {
  Random random(static_cast<uint64_t>(features));
  return {name,
          "batch_norm1d",
          {from},
          {{"eps", 1e-5}},
          {ir::Parameter::of("weight", {features}, random_values(random, features, 0.5f, 1.5f)),
           ir::Parameter::of("bias", {features}, random_values(random, features, -0.5f, 0.5f)),
           ir::Parameter::of("running_mean", {features}, random_values(random, features, -1.0f, 1.0f)),
           ir::Parameter::of("running_var", {features}, random_values(random, features, 0.1f, 2.0f))},
          {}};
}

// BatchNorm, ReLU, Linear 6-9, ReLU, Linear 9-4.
inline ir::Graph small_network() {
  return ir::Graph::from_specs({{"x", "input", {}, {}, {}, {ir::kBatch, 6}},
                                normalized("bn", "x", 6),
                                {"act1", "relu", {"bn"}, {}, {}, {}},
                                linear("fc1", "act1", 6, 9),
                                {"act2", "relu", {"fc1"}, {}, {}, {}},
                                linear("fc2", "act2", 9, 4)},
                               "fc2");
}

}  // namespace chop::testing
