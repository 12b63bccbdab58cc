// Runs convolutions and pools on one block of samples.
#pragma once

#include "chop/trainer/block.h"
#include "chop/trainer/plan.h"
#include "chop/trainer/real.h"
#include "chop/trainer/tile_runner.h"

namespace chop::trainer {

template <class T>
class WindowRunner {
 public:
  explicit WindowRunner(const Plan& plan) : tiles_(plan) {}

  // Once for each batch, before any of the others.
  void prepare(const T* weights) { tiles_.prepare(weights); }

  void forward(const Convolution& c, const Step& step, const Block<T>& b, const T* x, T* y) const;
  // g: of the result; dx: null where nobody wants it.
  void backward(const Convolution& c, const Step& step, const Block<T>& b, const T* x, const T* g, T* dx) const;

  void forward(const Pool& pool, const T* x, T* y) const;
  // Writes dx, or adds to it.
  void backward(const Pool& pool, const T* x, const T* y, const T* g, T* dx, bool add) const;

 private:
  void back_inputs(const Convolution& c, const Step& step, const T* weights, const T* g, T* dx) const;

  TileRunner<T> tiles_;
  const TrainWindowKernels<T>& kernels_ = Real<T>::kernels().windows;
};

extern template class WindowRunner<float>;
extern template class WindowRunner<double>;

}  // namespace chop::trainer
