#include "chop/evaluator/value_step.h"

#include "chop/core/check.h"
#include "chop/evaluator/window.h"
#include "chop/kernels/kernels.h"
#include "chop/kernels/number_kernels.h"

namespace chop::evaluator {
namespace {

std::vector<int64_t> shape_of_block(const ir::Shape& shape, int rows = kBlock) {
  std::vector<int64_t> found(shape.begin(), shape.end());
  found.front() = rows;
  return found;
}

int row_elements(const ir::Shape& shape) {
  int64_t count = 1;
  for (size_t d = 1; d < shape.size(); ++d) count *= shape[d];
  return static_cast<int>(count);
}

bool mixes_rows(const quantizers::BoundFormat& format, const ir::Shape& shape) {
  if (!format.by_block()) return false;
  std::vector<int64_t> sizes = shape_of_block(shape);
  const std::vector<int64_t> block = quantizers::block_shape(&sizes, format.block_size, format.first);
  return block.front() > 1;
}

// from[rows][columns] -> to[columns][rows], tile by tile
void transpose(const float* from, int rows, int columns, float* to) {
  constexpr int kSide = 16;
  for (int r = 0; r < rows; r += kSide)
    for (int c = 0; c < columns; c += kSide)
      for (int i = r; i < rows && i < r + kSide; ++i)
        for (int j = c; j < columns && j < c + kSide; ++j)
          to[static_cast<size_t>(j) * static_cast<size_t>(rows) + static_cast<size_t>(i)] =
              from[static_cast<size_t>(i) * static_cast<size_t>(columns) + static_cast<size_t>(j)];
}

}  // namespace

ValueStep::ValueStep(quantizers::BoundFormat format, const ir::Shape& shape, const std::string& node)
    : Step(row_elements(shape)), format_(std::move(format)), rows_(row_elements(shape)) {
  check(!mixes_rows(format_, shape), "evaluator: node ", node, ": a block of the format ", format_.name,
        " holds numbers of several rows of data");
  if (!format_.by_block()) return;
  layout_ = quantizers::block_layout(shape_of_block(shape), format_.block_size, format_.first);
  if (!quantizers::BlockRules::can(*format_.format)) return;
  rules_.emplace(*format_.format, format_.numbers.data(), quantizers::kFloat32);
  const quantizers::BlockLayout row =
      quantizers::block_layout(shape_of_block(shape, 1), format_.block_size, format_.first);
  for (int64_t b = 0; b < row.blocks; ++b) {
    auto& runs = runs_.emplace_back();
    quantizers::each_run(row, b, [&](int64_t at, int64_t n) {
      if (!runs.empty() && runs.back().first + runs.back().count == at) {
        runs.back().count += static_cast<int>(n);
      } else {
        runs.push_back({static_cast<int>(at), static_cast<int>(n)});
      }
    });
  }
}

// Samples lie in lanes, and each lane has a rule of its own.
bool ValueStep::across(const float* x, float* y) const {
  static_assert(kBlock == kNumberLanes);
  const NumberBlockKernels& kernels = number_block_kernels();
  thread_local quantizers::ManyBlocks many;
  float *low = rules_->ends() ? many.low : nullptr, *high = rules_->ends() ? many.high : nullptr;
  for (const std::vector<Run>& runs : runs_) {
    many.clear(kBlock);
    for (const Run& run : runs)
      kernels.look_across(x + run.first * kBlock, run.count, kBlock, kBlock, many.most, low, high);
    if (const double part = rules_->part(); part != 0.0) {
      for (const Run& run : runs)
        kernels.scale_across(x + run.first * kBlock, y + run.first * kBlock, run.count, kBlock, kBlock, many.most,
                             part);
      continue;
    }
    if (!rules_->find(kBlock, &many)) return false;
    for (const Run& run : runs)
      kernels.apply_across(x + run.first * kBlock, y + run.first * kBlock, run.count, kBlock, kBlock, many.rules,
                           many.narrow);
  }
  return true;
}

// Blocks go along the numbers of a row of data.
void ValueStep::turned(const float* x, float* y) const {
  thread_local std::vector<float> memory;
  memory.resize(static_cast<size_t>(rows_) * kBlock);
  transpose(x, rows_, kBlock, memory.data());
  quantizers::quantize_blocks(*format_.format, format_.numbers.data(), quantizers::kFloat32, layout_, 0, layout_.blocks,
                              memory.data(), memory.data());
  transpose(memory.data(), kBlock, rows_, y);
}

void ValueStep::run(const void* const* in, void* out) const {
  const auto* x = static_cast<const float*>(in[0]);
  auto* y = static_cast<float*>(out);
  if (!format_.by_block()) {
    quantizers::quantize_numbers(*format_.format, format_.numbers.data(), quantizers::kFloat32, int64_t{kBlock} * rows_,
                                 x, y);
  } else if (!rules_ || !across(x, y)) {
    turned(x, y);
  }
}

}  // namespace chop::evaluator
