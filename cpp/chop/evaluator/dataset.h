// The data of an evaluator, held once: blocks of kBlock rows, feature-major, the last one padded with zeros; or, for
// planes, row-major as it came.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "chop/evaluator/blocks.h"

namespace chop::evaluator {

struct Span {
  int64_t first, last;
};

inline constexpr int64_t kChunk = 64;  // blocks a task: large enough to hand out, small enough to share

class Dataset {
 public:
  // x: [rows][features], row-major; labels: rows class indices in [0, classes), or null. Throws std::invalid_argument.
  // images: that go side by side in planes, or 0.
  Dataset(const float* x, const int64_t* labels, int64_t rows, int features, int classes, int images = 0);

  int64_t rows() const { return rows_; }
  int features() const { return features_; }
  int64_t blocks() const { return (rows_ + kBlock - 1) / kBlock; }
  int64_t chunks() const { return (blocks() + kChunk - 1) / kChunk; }
  Span chunk(int64_t number) const {  // its blocks
    return {number * kChunk, std::min(blocks(), (number + 1) * kChunk)};
  }
  bool packed() const { return images_ == 0; }
  // Of packed data.
  const float* block(int64_t b) const { return reinterpret_cast<const float*>(packed_.at(b)); }
  size_t stride() const { return packed_.stride(); }  // bytes from block to block
  // Of other data: the rows from `row` on, zeros behind the last one until the images side by side are complete.
  const float* row(int64_t row) const { return reinterpret_cast<const float*>(packed_.at(0)) + row * features_; }
  void unpack(int64_t b, float* block) const;  // what block(b) would be
  bool labelled() const { return !support_.empty(); }
  // Null without labels.
  const uint16_t* labels(int64_t b) const { return labelled() ? labels_.data() + b * kBlock : nullptr; }
  int valid_rows(int64_t b) const;                                  // kBlock, or less in the last block
  const std::vector<int64_t>& support() const { return support_; }  // rows of each class; empty without labels

 private:
  int64_t rows_;
  int features_, images_;
  Blocks packed_;
  std::vector<uint16_t> labels_;
  std::vector<int64_t> support_;
};

// The largest |number|, infinite if there is a NaN or an infinity.
double largest_magnitude(const float* x, int64_t count);

}  // namespace chop::evaluator
