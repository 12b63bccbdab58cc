// Recomputes one layer's sums exactly, in plain code that shares nothing with the kernels, and keeps what was seen.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "chop/evaluator/certificate.h"
#include "chop/evaluator/layer.h"

namespace chop::evaluator {

// A node under a config, and where an input of it is.
struct ObservedLayer {
  const ir::Node* node = nullptr;
  std::shared_ptr<const Window> window;  // null, like `layer`, for an operation without sums
  std::shared_ptr<const Layer> layer;
  NodeFormat format;
  FixedPoint grid;          // of the input
  ElementFormats elements;  // of each row of it, where `grid` is the common one; else empty
  int rows = 0, block = 0;  // the input's floats, before they are quantized
};

class LayerObserver {
 public:
  explicit LayerObserver(const ObservedLayer& observed);

  // x: the input's floats, [rows][kBlock], of the data's rows from first_row on.
  void add(const float* x, int64_t first_row, int valid);
  // later: of rows after these.
  void merge(const LayerObserver& later);
  LayerCertificate certificate() const { return found_; }

 private:
  void encode(const float* x, const FixedPoint& format, float* codes) const;
  double largest_row(const ObservedLayer& observed) const;
  double largest_partial_sum(int valid) const;
  template <class Sum>
  void outputs(int64_t first_row, int valid);
  template <class Sum>
  void output(int place, int o, int64_t first_row, int valid);

  const ObservedLayer& observed_;
  LayerCodes codes_;
  LayerCertificate found_;
  double weights_ = 0;          // largest sum of magnitudes of an output's weights, in units of the sums
  std::vector<float> x_codes_;  // of the block at hand
};

}  // namespace chop::evaluator
