// Steps of our own kernels: encoding numbers, and the products of linear layers and convolutions.
#pragma once

#include <memory>
#include <vector>

#include "chop/evaluator/layer.h"
#include "chop/evaluator/step.h"

namespace chop::evaluator {

// What becomes of a block on its way to its reader; alpha and beta: one per destination channel, or none.
struct Ending {
  std::vector<float> alpha, beta;
  Finish finish;      // its op's alpha and beta are set by the step
  bool adds = false;  // behind alpha and beta, floats of a second block; only where a step says so
};

// Moves the scale of sums and that of codes into alpha and beta, where no number is rounded by it. All are powers of
// two.
void fold_scales(Ending* ending, float* scale);
// The ending's alpha and beta stay where they are.
Finish finish_of(const Ending& ending);
auto kernel_of(Road road) -> void (*)(const Product&);

class EncodeStep : public Step {
 public:
  // rows: for each destination channel, in the order of the groups, the source's row or a negative number.
  EncodeStep(std::vector<int32_t> rows, Ending ending);
  void run(const void* const* in, void* out) const override;
  bool compact() const override { return ending_.finish.to != Encoding::f32; }

 private:
  std::vector<int32_t> rows_;
  Ending ending_;
  Encode call_;
};

class ProductStep : public Step {
 public:
  ProductStep(std::shared_ptr<const Window> window, std::shared_ptr<const Layer> layer, Ending ending);
  void run(const void* const* in, void* out) const override;

 private:
  std::shared_ptr<const Window> window_;
  std::shared_ptr<const Layer> layer_;
  Ending ending_;
  std::vector<int32_t> at_;
  std::vector<uint8_t> padding_;
  Product call_;
  void (*kernel_)(const Product&);
};

// Groups of channels in a block of a layer's input, for one convolution group, and in all.
int groups_per_tap(const Window& window, Encoding encoding);
// The rows of a value in the order in which a layer reads its channels in this encoding.
std::vector<int32_t> input_rows(const Window& window, Encoding encoding);

}  // namespace chop::evaluator
