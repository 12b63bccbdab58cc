// How a tensor is cut into blocks whose numbers share a scale.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace chop::quantizers {

// What becomes of the first dimension. skip: its blocks have one index each, and all but the last two are one with it;
// by_dims: as skip for more than two dimensions, else as keep; rows: one block for each first index (of one dimension:
// one block).
enum class FirstDim : int { keep = 0, skip = 1, by_dims = 2, rows = 3 };

// A row-major tensor as blocks, dimension by dimension; neighbouring dimensions are one where that changes nothing.
struct BlockLayout {
  std::vector<int64_t> size, block;  // of each dimension; at least one, all positive
  int64_t blocks = 1;
  int64_t elements = 1;

  int64_t in_dimension(size_t d) const { return (size[d] + block[d] - 1) / block[d]; }
};

// block_size is aligned to the right of the shape: missing leading entries, -1 and entries above the dimension mean the
// whole dimension, surplus leading ones are dropped. Throws for other entries below 1. The shape has no 0.
BlockLayout block_layout(const std::vector<int64_t>& shape, const std::vector<int64_t>& block_size, FirstDim first);

// The block size of each dimension of the shape, nothing merged but what `skip` merges.
std::vector<int64_t> block_shape(std::vector<int64_t>* shape, const std::vector<int64_t>& block_size, FirstDim first);

// Calls run(offset, length) for each stretch of memory of a block.
template <class Run>
void each_run(const BlockLayout& layout, int64_t block, const Run& run) {
  constexpr size_t kMost = 16;
  const size_t dims = layout.size.size();
  int64_t first[kMost], count[kMost], stride[kMost], at[kMost] = {};
  int64_t offset = 0, inner = 1;
  for (size_t d = dims; d-- > 0;) {
    const int64_t n = layout.in_dimension(d);
    first[d] = block % n * layout.block[d];
    block /= n;
    const int64_t left = layout.size[d] - first[d];
    count[d] = left < layout.block[d] ? left : layout.block[d];
    stride[d] = inner;
    offset += first[d] * inner;
    inner *= layout.size[d];
  }
  for (;;) {
    run(offset, count[dims - 1]);
    size_t d = dims - 1;
    for (;;) {
      if (d-- == 0) return;
      offset += stride[d];
      if (++at[d] < count[d]) break;
      offset -= count[d] * stride[d];
      at[d] = 0;
    }
  }
}

}  // namespace chop::quantizers
