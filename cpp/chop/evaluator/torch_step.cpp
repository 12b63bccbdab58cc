#include "chop/evaluator/torch_step.h"

#include <algorithm>
#include <chrono>
#include <string>

#include "chop/core/check.h"

namespace chop::evaluator {
namespace {

// The rows of the k-th block among `rows` of them.
int rows_in(int k, int rows) { return std::clamp(rows - k * kBlock, 0, kBlock); }

// Blocks [columns][kBlock] -> to[rows][columns]
void to_rows(const Neighbours& from, int rows, int columns, float* to) {
  for (int k = 0; k * kBlock < rows; ++k) {
    const auto* block = static_cast<const float*>(from.at(k));
    for (int r = 0; r < rows_in(k, rows); ++r)
      for (int c = 0; c < columns; ++c) *to++ = block[c * kBlock + r];
  }
}

// from[rows][columns] -> `count` blocks [columns][kBlock]; zeros where there is no row
void to_blocks(const float* from, int rows, int columns, const Neighbours& to, int count) {
  for (int k = 0; k < count; ++k) {
    auto* block = const_cast<float*>(static_cast<const float*>(to.at(k)));
    const int valid = rows_in(k, rows);
    for (int c = 0; c < columns; ++c) {
      for (int r = 0; r < valid; ++r) block[c * kBlock + r] = from[r * columns + c];
      std::fill(block + c * kBlock + valid, block + (c + 1) * kBlock, 0.0f);
    }
    from += static_cast<int64_t>(valid) * columns;
  }
}

std::string list_text(const std::vector<int>& numbers) {
  std::string text = "[";
  for (const int n : numbers) text += (text.size() > 1 ? ", " : "") + std::to_string(n);
  return text + "]";
}

}  // namespace

TorchStep::TorchStep(TorchCallPtr call, std::vector<int> input_sizes, int output_size)
    : Step(output_size), call_(std::move(call)), input_sizes_(std::move(input_sizes)) {
  const std::vector<int64_t>& given = call_->input_sizes;
  check(std::equal(input_sizes_.begin(), input_sizes_.end(), given.begin(), given.end()) &&
            call_->output_size == output_size,
        "evaluator: the call of node ", call_->node, " must have input_sizes = ", list_text(input_sizes_),
        " and output_size = ", output_size, ", as the graph says");
}

void TorchStep::run(const void* const* in, void* out) const {
  std::vector<Neighbours> inputs;
  for (size_t i = 0; i < input_sizes_.size(); ++i) inputs.push_back({static_cast<const std::byte*>(in[i]), 0});
  run_many(inputs, {static_cast<const std::byte*>(out), 0}, 1, kBlock, nullptr);
}

void TorchStep::run_many(const std::vector<Neighbours>& in, const Neighbours& out, int count, int rows,
                         std::vector<const void*>*) const {
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::vector<float>> columns;
  std::vector<const float*> inputs;
  for (size_t i = 0; i < input_sizes_.size(); ++i) {
    columns.emplace_back(static_cast<size_t>(rows) * static_cast<size_t>(input_sizes_[i]));
    to_rows(in[i], rows, input_sizes_[i], columns.back().data());
    inputs.push_back(columns.back().data());
  }
  std::vector<float> result(static_cast<size_t>(rows) * static_cast<size_t>(groups()));
  call_->run(inputs, result.data(), rows);
  to_blocks(result.data(), rows, groups(), out, count);
  const auto spent = std::chrono::steady_clock::now() - start;
  call_->nanoseconds += std::chrono::duration_cast<std::chrono::nanoseconds>(spent).count();
}

}  // namespace chop::evaluator
