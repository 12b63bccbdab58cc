// Memory for blocks, on cache-line boundaries.
#pragma once

#include <cstddef>

#include "chop/core/large_array.h"
#include "chop/kernels/product.h"

namespace chop::evaluator {

class Blocks {
 public:
  // `count` blocks of `groups` groups each; uninitialised. A group's bytes before and behind them may be read, too.
  Blocks(int64_t count, int groups)
      : stride_(static_cast<size_t>(groups) * kGroupBytes),
        memory_(make_large_array<std::byte>(count * static_cast<int64_t>(stride_) + kCacheLine + 2 * kGroupBytes)),
        first_(memory_.get() + kGroupBytes +
               (kCacheLine - reinterpret_cast<uintptr_t>(memory_.get()) % kCacheLine) % kCacheLine),
        bytes_(static_cast<size_t>(count) * stride_) {}

  std::byte* at(int64_t block) { return first_ + static_cast<size_t>(block) * stride_; }
  const std::byte* at(int64_t block) const { return first_ + static_cast<size_t>(block) * stride_; }
  size_t stride() const { return stride_; }  // bytes from block to block
  size_t bytes() const { return bytes_; }

 private:
  static constexpr int64_t kCacheLine = 64;
  size_t stride_;
  LargeArray<std::byte> memory_;
  std::byte* first_;
  size_t bytes_;
};

}  // namespace chop::evaluator
