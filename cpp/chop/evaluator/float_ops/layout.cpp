#include "chop/evaluator/float_ops/layout.h"

#include <algorithm>

#include "chop/core/check.h"
#include "chop/ir/shape_rules.h"

namespace chop::evaluator {
namespace {

constexpr int64_t kMostRows = int64_t{1} << 24;  // 4 GiB a block

}  // namespace

ir::Shape sample_shape(const ir::Node& node, const ir::Shape& shape) {
  check(!shape.empty() && shape.front() == ir::kBatch && std::count(shape.begin(), shape.end(), ir::kBatch) == 1,
        "evaluator: node ", node.name, " (", node.op->name,
        "): the batch must be the first dimension and no other, got ", ir::shape_text(shape));
  return {shape.begin() + 1, shape.end()};
}

size_t sample_dim(const ir::Node& node, int64_t dim, size_t rank) {
  const size_t found = ir::dimension(node, dim, rank);
  check(found > 0, "evaluator: node ", node.name, " (", node.op->name, ") works along the batch");
  return found - 1;
}

int64_t element_count(const ir::Shape& sample) {
  int64_t count = 1;
  for (const int64_t size : sample)
    check(!__builtin_mul_overflow(count, size, &count), "evaluator: a shape of too many elements");
  return count;
}

int row_count(const ir::Node& node, const ir::Shape& shape) {
  int64_t count = 1;
  for (const int64_t size : sample_shape(node, shape)) {
    count = ir::multiply(node, count, size);
    check(count <= kMostRows, "evaluator: node ", node.name, " (", node.op->name, "): ", ir::shape_text(shape),
          " is too large");
  }
  return static_cast<int>(count);
}

Layout Layout::row_major(const ir::Shape& sample) {
  Layout layout{sample, std::vector<int64_t>(sample.size()), 0};
  int64_t stride = 1;
  for (size_t i = sample.size(); i-- > 0; stride *= sample[i]) layout.strides[i] = stride;
  return layout;
}

std::vector<int32_t> Layout::rows() const {
  std::vector<int64_t> found{offset};
  for (size_t i = 0; i < sizes.size(); ++i) {
    std::vector<int64_t> finer;
    finer.reserve(found.size() * static_cast<size_t>(sizes[i]));
    for (const int64_t base : found)
      for (int64_t k = 0; k < sizes[i]; ++k) finer.push_back(base + k * strides[i]);
    found = std::move(finer);
  }
  return {found.begin(), found.end()};
}

}  // namespace chop::evaluator
