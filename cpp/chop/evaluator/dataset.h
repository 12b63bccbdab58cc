// The data of an evaluator, packed once: blocks of kBlock rows, feature-major, the last one padded with zeros.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "chop/kernels/kernels.h"

namespace chop::evaluator {

// Floats on a cache-line boundary.
class AlignedFloats {
 public:
  explicit AlignedFloats(size_t count);
  float* data() { return data_.get(); }
  const float* data() const { return data_.get(); }

 private:
  struct Release {
    void operator()(float* p) const;
  };
  std::unique_ptr<float[], Release> data_;
};

class Dataset {
 public:
  // x: [rows][features], row-major; labels: rows class indices in [0, classes).
  Dataset(const float* x, const int64_t* labels, int64_t rows, int features, int classes);

  int64_t rows() const { return rows_; }
  int features() const { return features_; }
  int64_t blocks() const { return (rows_ + kBlock - 1) / kBlock; }
  const float* block(int64_t b) const { return packed_.data() + b * features_ * kBlock; }
  const uint16_t* labels(int64_t b) const { return labels_.data() + b * kBlock; }
  int valid_rows(int64_t b) const;                                  // kBlock, or less in the last block
  const std::vector<int64_t>& support() const { return support_; }  // rows of each class

 private:
  int64_t rows_;
  int features_;
  AlignedFloats packed_;
  std::vector<uint16_t> labels_;
  std::vector<int64_t> support_;
};

}  // namespace chop::evaluator
