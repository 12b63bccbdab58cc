#include "chop/evaluator/dataset.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "chop/core/check.h"

namespace chop::evaluator {
namespace {

constexpr int kMostClasses = 65536;

}  // namespace

Dataset::Dataset(const float* x, const int64_t* labels, int64_t rows, int features, int classes)
    : rows_(rows), features_(features), packed_((rows + kBlock - 1) / kBlock, features) {
  for (int64_t b = 0; b < blocks(); ++b) {
    auto* block = reinterpret_cast<float*>(packed_.at(b));
    const int valid = valid_rows(b);
    if (valid < kBlock) std::memset(block, 0, static_cast<size_t>(features) * kGroupBytes);
    const float* from = x + b * kBlock * features;
    for (int f = 0; f < features; ++f)
      for (int s = 0; s < valid; ++s) block[f * kBlock + s] = from[static_cast<int64_t>(s) * features + f];
  }
  if (!labels) return;
  check(classes <= kMostClasses, "evaluator: the model has ", classes, " classes; at most ", kMostClasses,
        " are supported");
  labels_.assign(static_cast<size_t>(blocks()) * kBlock, 0);
  support_.assign(static_cast<size_t>(classes), 0);
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t label = labels[row];
    check(label >= 0 && label < classes, "y[", row, "] is ", label, "; the model has ", classes, " classes");
    labels_[static_cast<size_t>(row)] = static_cast<uint16_t>(label);
    ++support_[static_cast<size_t>(label)];
  }
}

int Dataset::valid_rows(int64_t b) const { return static_cast<int>(std::min<int64_t>(kBlock, rows_ - b * kBlock)); }

double largest_magnitude(const float* x, int64_t count) {
  float largest = 0.0f;
  bool finite = true;
  for (int64_t i = 0; i < count; ++i) {
    const float v = std::fabs(x[i]);
    largest = v > largest ? v : largest;
    finite = finite && v <= std::numeric_limits<float>::max();
  }
  return finite ? static_cast<double>(largest) : std::numeric_limits<double>::infinity();
}

}  // namespace chop::evaluator
