#include "chop/evaluator/torch_step.h"

#include <chrono>

namespace chop::evaluator {
namespace {

// from[rows][columns] -> to[columns][rows]
void transpose(const float* from, float* to, int rows, int columns) {
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < columns; ++c) to[c * rows + r] = from[r * columns + c];
}

}  // namespace

void TorchStep::run(const void* const* in, void* out) const {
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::vector<float>> rows;
  std::vector<const float*> inputs;
  for (size_t i = 0; i < input_sizes_.size(); ++i) {
    rows.emplace_back(static_cast<size_t>(input_sizes_[i]) * kBlock);
    transpose(static_cast<const float*>(in[i]), rows.back().data(), input_sizes_[i], kBlock);
    inputs.push_back(rows.back().data());
  }
  std::vector<float> result(static_cast<size_t>(groups()) * kBlock);
  call_->run(inputs, result.data(), kBlock);
  transpose(result.data(), static_cast<float*>(out), kBlock, groups());
  const auto spent = std::chrono::steady_clock::now() - start;
  call_->nanoseconds += std::chrono::duration_cast<std::chrono::nanoseconds>(spent).count();
}

}  // namespace chop::evaluator
