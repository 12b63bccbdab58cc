#include "chop/evaluator/dataset.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "chop/core/check.h"

namespace chop::evaluator {
namespace {

constexpr int kMostClasses = 65536;

int64_t up(int64_t count, int64_t by) { return (count + by - 1) / by * by; }

// In groups of rows: block by block, or what all rows need.
Blocks memory(int64_t rows, int features, int images) {
  if (images == 0) return {(rows + kBlock - 1) / kBlock, features};
  return {up(up(rows, images) * features, kBlock) / kBlock, 1};
}

void pack(const float* x, int features, int valid, float* block) {
  if (valid < kBlock) std::memset(block, 0, static_cast<size_t>(features) * kGroupBytes);
  for (int f = 0; f < features; ++f)
    for (int s = 0; s < valid; ++s) block[f * kBlock + s] = x[static_cast<int64_t>(s) * features + f];
}

}  // namespace

Dataset::Dataset(const float* x, const int64_t* labels, int64_t rows, int features, int classes, int images)
    : rows_(rows), features_(features), images_(images), packed_(memory(rows, features, images)) {
  if (packed()) {
    for (int64_t b = 0; b < blocks(); ++b)
      pack(x + b * kBlock * features, features, valid_rows(b), reinterpret_cast<float*>(packed_.at(b)));
  } else {
    auto* own = reinterpret_cast<float*>(packed_.at(0));
    std::copy(x, x + rows * features, own);
    std::fill(own + rows * features, own + packed_.bytes() / sizeof(float), 0.0f);
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

void Dataset::unpack(int64_t b, float* block) const { pack(row(b * kBlock), features_, valid_rows(b), block); }

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
