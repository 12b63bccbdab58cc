#include "chop/quantizers/blocks.h"

#include <algorithm>

#include "chop/core/check.h"

namespace chop::quantizers {
namespace {

constexpr size_t kMostDimensions = 16;

std::string text(const std::vector<int64_t>& numbers) {
  std::string list = "[";
  for (const int64_t n : numbers) list += (list.size() > 1 ? ", " : "") + std::to_string(n);
  return list + "]";
}

}  // namespace

std::vector<int64_t> block_shape(std::vector<int64_t>* shape, const std::vector<int64_t>& block_size, FirstDim first) {
  for (const int64_t entry : block_size)
    check(entry >= 1 || entry == -1, "block_size must hold numbers from 1 on, or -1 for a whole dimension, got ",
          text(block_size));
  if (shape->empty()) shape->push_back(1);
  if (first == FirstDim::by_dims) first = shape->size() > 2 ? FirstDim::skip : FirstDim::keep;
  if (shape->size() == 1) first = FirstDim::keep;
  if (first == FirstDim::rows) {
    std::vector<int64_t> block = *shape;
    block.front() = 1;
    return block;
  }
  while (first == FirstDim::skip && shape->size() > 3) {
    (*shape)[1] *= shape->front();
    shape->erase(shape->begin());
  }
  std::vector<int64_t> block = *shape;
  const size_t given = std::min(block_size.size(), block.size());
  for (size_t i = 1; i <= given; ++i) {
    const int64_t entry = block_size[block_size.size() - i];
    int64_t& size = block[block.size() - i];
    if (entry != -1) size = std::min(size, entry);
  }
  if (first == FirstDim::skip) block.front() = 1;
  return block;
}

BlockLayout block_layout(const std::vector<int64_t>& given, const std::vector<int64_t>& block_size, FirstDim first) {
  std::vector<int64_t> shape = given;
  const std::vector<int64_t> block = block_shape(&shape, block_size, first);
  BlockLayout layout;
  for (size_t d = 0; d < shape.size(); ++d) {
    layout.elements *= shape[d];
    layout.blocks *= (shape[d] + block[d] - 1) / block[d];
    // A whole dimension is one with the one before it; dimensions of single indices are one, too.
    const bool whole = block[d] == shape[d], single = !layout.size.empty() && layout.block.back() == 1 && block[d] == 1;
    if (!layout.size.empty() && (whole || single)) {
      layout.size.back() *= shape[d];
      layout.block.back() *= block[d];
    } else {
      layout.size.push_back(shape[d]);
      layout.block.push_back(block[d]);
    }
  }
  check(layout.size.size() <= kMostDimensions, "blocks: a tensor has more than ", kMostDimensions, " dimensions");
  return layout;
}

}  // namespace chop::quantizers
