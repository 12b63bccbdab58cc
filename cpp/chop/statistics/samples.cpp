#include "chop/statistics/samples.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace chop::statistics {
namespace {
constexpr int64_t kLargestPiece = 1 << 20;
constexpr int64_t kSmallestPiece = 256;
}  // namespace

template <class T>
void Pieces<T>::append(const T* x, int64_t n, int64_t groups, bool abs) {
  while (n > 0) {
    if (pieces_.empty() || pieces_.back().size == pieces_.back().capacity) {
      const int64_t wanted = std::clamp(std::max(n, size_), kSmallestPiece, kLargestPiece);
      Piece piece;
      piece.capacity = (wanted + groups - 1) / groups * groups;
      piece.data = make_large_array<T>(piece.capacity);
      pieces_.push_back(std::move(piece));
    }
    Piece& piece = pieces_.back();
    const int64_t part = std::min(n, piece.capacity - piece.size);
    T* to = piece.data.get() + piece.size;
    if (abs) {
      for (int64_t i = 0; i < part; ++i) to[i] = std::fabs(x[i]);
    } else {
      std::memcpy(to, x, static_cast<size_t>(part) * sizeof(T));
    }
    piece.size += part;
    size_ += part;
    x += part;
    n -= part;
  }
}

template class Pieces<float>;
template class Pieces<double>;

void Samples::reset(int64_t groups) {
  f32_ = {};
  f64_ = {};
  groups_ = groups;
}

void Samples::widen() {
  std::vector<double> wide;
  for (const auto& piece : f32_.pieces()) {
    wide.assign(piece.data.get(), piece.data.get() + piece.size);
    f64_.append(wide.data(), piece.size, groups_, false);
  }
  f32_ = {};
}

void Samples::add(const float* x, int64_t rows, bool abs) {
  if (f64_.size() == 0) return f32_.append(x, rows * groups_, groups_, abs);
  const std::vector<double> wide(x, x + rows * groups_);
  f64_.append(wide.data(), rows * groups_, groups_, abs);
}

void Samples::add(const double* x, int64_t rows, bool abs) {
  if (f32_.size() > 0) widen();
  f64_.append(x, rows * groups_, groups_, abs);
}

void Samples::merge(const Samples& other) {
  other.visit([&](const auto& pieces) {
    for (const auto& piece : pieces.pieces()) add(piece.data.get(), piece.size / groups_, false);
  });
}

}  // namespace chop::statistics
