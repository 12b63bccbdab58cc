// A layer's weights under one format: packed for a kernel, and what their sums tell. Layers whose data have other
// formats share them.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "chop/evaluator/config.h"
#include "chop/evaluator/step_cache.h"
#include "chop/evaluator/window.h"
#include "chop/kernels/product.h"

namespace chop::evaluator {

struct PackedWeights {
  std::vector<std::byte> bytes;  // as Product wants them, one convolution group after the other
  size_t group_bytes = 0;
};

// One number for each output.
struct WeightSums {
  std::vector<double> magnitudes;  // of the weights, added up
  std::vector<double> sums;
};

// How a layer's weights are to lie.
struct WeightLayout {
  Road road = Road::float32;
  Encoding encoding = Encoding::f32;
  bool matrices = false;
  int merged = 1;
};

// weight: [out][channels / groups][taps], as torch keeps it.
PackedWeights pack_weights(const Window& window, const std::vector<double>& weight, const WeightLayout& layout);
WeightSums sums_of(const std::vector<double>& weight, size_t outputs);

// What was made of weights, by the numbers that name a node and the format of its weights. Used by one thread at a
// time.
class WeightCache {
 public:
  explicit WeightCache(size_t most_bytes) : packed_(most_bytes), sums_(most_bytes) {}

  template <class Make>
  std::shared_ptr<const WeightSums> sums(const Key& weights, const Make& make) {
    return sums_.get(
        weights, [&] { return std::make_shared<WeightSums>(make()); },
        [](const WeightSums& made) { return 2 * made.sums.size() * sizeof(double); });
  }
  template <class Make>
  std::shared_ptr<const PackedWeights> packed(Key weights, const WeightLayout& layout, int exponent, const Make& make) {
    weights.insert(weights.end(), {static_cast<int64_t>(layout.road), static_cast<int64_t>(layout.encoding),
                                   layout.matrices, layout.merged, exponent});
    return packed_.get(
        weights, [&] { return std::make_shared<PackedWeights>(make()); },
        [](const PackedWeights& made) { return made.bytes.size(); });
  }

 private:
  StepCache<PackedWeights> packed_;
  StepCache<WeightSums> sums_;
};

}  // namespace chop::evaluator
