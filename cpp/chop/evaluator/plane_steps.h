// Steps on planes: see planes.h. One run takes the images that go side by side.
#pragma once

#include <memory>
#include <vector>

#include "chop/evaluator/planes.h"
#include "chop/evaluator/product_steps.h"

namespace chop::evaluator {

// Reads the data of the images, row-major and side by side.
class PlaneInputStep : public Step {
 public:
  PlaneInputStep(int channels, int places, int images);
  void run(const void* const* in, void* out) const override;

 private:
  int channels_, places_, images_;
};

// Brings places into rows and images into lanes, from the first lane at `out` on: the layout of samples.
class JoinStep : public Step {
 public:
  JoinStep(int channels, int places, int images);
  void run(const void* const* in, void* out) const override;

 private:
  int channels_, places_, images_;
};

// The same of the mean of each channel: the sum in double, in order, rounded and then divided.
class PlaneMeanStep : public Step {
 public:
  PlaneMeanStep(int channels, int places, int images);
  void run(const void* const* in, void* out) const override;

 private:
  int channels_, places_, images_;
};

class PlanePoolStep : public Step {  // the largest number of each window
 public:
  PlanePoolStep(std::shared_ptr<const PlaneWindow> window, int channels);
  void run(const void* const* in, void* out) const override;

 private:
  std::shared_ptr<const PlaneWindow> window_;
  int channels_;
  std::vector<int32_t> begin_, rows_;
};

// Whether each output of a layer sees one channel only, and its sums are those of the kernel for that.
bool is_depthwise(const PlaneWindow& window, const Layer& layer);

class PlaneProductStep : public Step {
 public:
  PlaneProductStep(std::shared_ptr<const PlaneWindow> window, std::shared_ptr<const Layer> layer, Ending ending);
  void run(const void* const* in, void* out) const override;

 private:
  // `count` rows of each output from `row` on, from what their taps see at x.
  void products(int row, int count, const std::byte* x, const float* addend, std::byte* y) const;

  std::shared_ptr<const PlaneWindow> window_;
  std::shared_ptr<const Layer> layer_;
  Ending ending_;
  int together_;  // rows that one call takes
  std::vector<int32_t> at_;
  Product call_;
  void (*kernel_)(const Product&);
};

class DepthwiseStep : public Step {
 public:
  DepthwiseStep(std::shared_ptr<const PlaneWindow> window, std::shared_ptr<const Layer> layer, Ending ending);
  void run(const void* const* in, void* out) const override;

 private:
  std::shared_ptr<const PlaneWindow> window_;
  std::shared_ptr<const Layer> layer_;
  Ending ending_;
  std::vector<float> weight_;
  Depthwise call_;
};

}  // namespace chop::evaluator
