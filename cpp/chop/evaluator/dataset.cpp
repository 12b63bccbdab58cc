#include "chop/evaluator/dataset.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "chop/core/check.h"

namespace chop::evaluator {
namespace {

constexpr std::align_val_t kCacheLine{64};

}  // namespace

AlignedFloats::AlignedFloats(size_t count)
    : data_(static_cast<float*>(::operator new(count * sizeof(float), kCacheLine))) {
  std::memset(data_.get(), 0, count * sizeof(float));
}

void AlignedFloats::Release::operator()(float* p) const { ::operator delete(p, kCacheLine); }

Dataset::Dataset(const float* x, const int64_t* labels, int64_t rows, int features, int classes)
    : rows_(rows),
      features_(features),
      packed_(static_cast<size_t>((rows + kBlock - 1) / kBlock) * kBlock * static_cast<size_t>(features)),
      labels_(static_cast<size_t>((rows + kBlock - 1) / kBlock) * kBlock, 0),
      support_(static_cast<size_t>(classes), 0) {
  check(classes <= 65536, "the model has ", classes, " classes; the evaluator takes up to 65536");
  for (int64_t row = 0; row < rows; ++row) {
    float* block = packed_.data() + row / kBlock * features * kBlock + row % kBlock;
    for (int f = 0; f < features; ++f) block[f * kBlock] = x[row * features + f];
    const int64_t label = labels[row];
    check(label >= 0 && label < classes, "y[", row, "] is ", label, "; the model has ", classes, " classes");
    labels_[static_cast<size_t>(row)] = static_cast<uint16_t>(label);
    ++support_[static_cast<size_t>(label)];
  }
}

int Dataset::valid_rows(int64_t b) const { return static_cast<int>(std::min<int64_t>(kBlock, rows_ - b * kBlock)); }

}  // namespace chop::evaluator
