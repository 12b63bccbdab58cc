#include "chop/evaluator/value_step.h"

#include "chop/core/check.h"
#include "chop/evaluator/window.h"
#include "chop/kernels/kernels.h"

namespace chop::evaluator {
namespace {

std::vector<int64_t> shape_of_block(const ir::Shape& shape) {
  std::vector<int64_t> found(shape.begin(), shape.end());
  found.front() = kBlock;
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
  if (format_.by_block()) layout_ = quantizers::block_layout(shape_of_block(shape), format_.block_size, format_.first);
}

void ValueStep::run(const void* const* in, void* out) const {
  const auto* x = static_cast<const float*>(in[0]);
  auto* y = static_cast<float*>(out);
  const double* numbers = format_.numbers.data();
  if (!format_.by_block()) {
    quantizers::quantize_numbers(*format_.format, numbers, quantizers::kFloat32, int64_t{kBlock} * rows_, x, y);
    return;
  }
  // Blocks go along the numbers of a row of data.
  thread_local std::vector<float> turned;
  turned.resize(static_cast<size_t>(rows_) * kBlock);
  transpose(x, rows_, kBlock, turned.data());
  quantizers::quantize_blocks(*format_.format, numbers, quantizers::kFloat32, layout_, 0, layout_.blocks, turned.data(),
                              turned.data());
  transpose(turned.data(), kBlock, rows_, y);
}

}  // namespace chop::evaluator
