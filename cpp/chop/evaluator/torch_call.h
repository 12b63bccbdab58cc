// A node that only torch can compute: the bindings supply the call.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace chop::evaluator {

// Tensors are row-major, [rows][..], rows first. May be called from several threads.
struct TorchCall {
  std::string node;
  std::function<void(const std::vector<const float*>& inputs, float* output, int rows)> run;
  std::vector<int64_t> input_sizes;             // numbers in a row of each input
  int64_t output_size = 0;                      // and of the output
  size_t bytes = 0;                             // that it holds, parameters above all
  mutable std::atomic<int64_t> nanoseconds{0};  // spent so far, by all threads together
};
using TorchCallPtr = std::shared_ptr<const TorchCall>;

}  // namespace chop::evaluator
