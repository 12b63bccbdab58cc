// Keeps every number it is given, in large pieces that are never moved: what exact quantiles and records need.
#pragma once

#include <cstdint>
#include <type_traits>
#include <vector>

#include "chop/core/large_array.h"

namespace chop::statistics {

template <class T>
class Pieces {
 public:
  struct Piece {
    LargeArray<T> data;
    int64_t size = 0, capacity = 0;
  };

  // n is a multiple of `groups`, and so is the size of every piece.
  void append(const T* x, int64_t n, int64_t groups, bool abs);
  int64_t size() const { return size_; }
  const std::vector<Piece>& pieces() const { return pieces_; }

 private:
  std::vector<Piece> pieces_;
  int64_t size_ = 0;
};

// Numbers of `groups` groups, as floats as long as only floats came.
class Samples {
 public:
  void reset(int64_t groups);
  void add(const float* x, int64_t rows, bool abs);
  void add(const double* x, int64_t rows, bool abs);
  void merge(const Samples& other);

  int64_t groups() const { return groups_; }
  int64_t rows() const { return groups_ == 0 ? 0 : (f32_.size() + f64_.size()) / groups_; }

  // use(pieces): Pieces<float> or Pieces<double>.
  template <class Use>
  void visit(Use use) const {
    if (f64_.size() > 0) return use(f64_);
    use(f32_);
  }

  // use(group, numbers without NaN) for each group in turn; `numbers` may be changed.
  template <class Use>
  void each_group(Use use) const;

 private:
  void widen();

  Pieces<float> f32_;
  Pieces<double> f64_;  // once it holds something, f32_ is empty
  int64_t groups_ = 0;
};

template <class Use>
void Samples::each_group(Use use) const {
  constexpr int64_t together = 16;  // columns read in one pass: neighbours share cache lines
  visit([&](const auto& pieces) {
    using T = std::remove_reference_t<decltype(pieces.pieces()[0].data[0])>;
    std::vector<std::vector<T>> columns(static_cast<size_t>(together < groups_ ? together : groups_));
    for (int64_t first = 0; first < groups_; first += together) {
      const int64_t last = first + together < groups_ ? first + together : groups_;
      for (auto& column : columns) column.clear();
      for (const auto& piece : pieces.pieces())
        for (int64_t row = 0; row < piece.size; row += groups_)
          for (int64_t g = first; g < last; ++g) {
            const T v = piece.data[static_cast<size_t>(row + g)];
            if (v == v) columns[static_cast<size_t>(g - first)].push_back(v);
          }
      for (int64_t g = first; g < last; ++g) use(g, columns[static_cast<size_t>(g - first)]);
    }
  });
}

}  // namespace chop::statistics
