// Runs steps of a plan on one block of samples.
#pragma once

#include "chop/trainer/block.h"
#include "chop/trainer/norms.h"
#include "chop/trainer/plan.h"
#include "chop/trainer/real.h"
#include "chop/trainer/window_runner.h"

namespace chop::trainer {

template <class T>
class Learned;

template <class T>
class BlockRunner {
 public:
  BlockRunner(const Plan& plan, Norms<T>& norms, const Learned<T>& learned, const std::vector<T>& parameters)
      : plan_(plan), norms_(norms), learned_(learned), parameters_(parameters), windows_(plan) {}

  // Once for each batch, with the weights that its blocks have.
  void prepare(const T* weights) { windows_.prepare(weights); }

  void forward(const Phase& phase, const Block<T>& block) const;
  void backward(const Phase& phase, const Block<T>& block) const;

  bool skips_zeros = true;  // of layers that are sparse: the same bits in less time

 private:
  T* value(int v, const Block<T>& b) const { return b.row(plan_.values[static_cast<size_t>(v)].row); }
  T* gradient(int v, const Block<T>& b) const {
    const int row = plan_.values[static_cast<size_t>(v)].gradient;
    return row < 0 ? nullptr : b.row(row);
  }
  TrainChannels channels(const Norm& norm, const Block<T>& b) const { return {b.size, norm.channels, norm.positions}; }

  void run(const Step& step, const Block<T>& b) const;
  void statistics(const Step& step, const Block<T>& b) const;
  void linear(const Step& step, const Block<T>& b) const;
  void product(const Step& step, const TrainProduct<T>& p) const;
  bool leaves_out(const Step& step) const;
  void back(const Step& step, const Block<T>& b) const;
  void back_linear(const Step& step, const Block<T>& b) const;
  void back_single(const Step& step, const Block<T>& b) const;
  void back_binary(const Step& step, const Block<T>& b) const;
  void back_statistics(const Step& step, const Block<T>& b) const;
  void back_conv(const Step& step, const Block<T>& b) const;
  TrainRowNorm<T> row_norm(const Step& step, const Block<T>& b) const;
  void back_row_norm(const Step& step, const Block<T>& b) const;

  const Plan& plan_;
  Norms<T>& norms_;
  const Learned<T>& learned_;
  const std::vector<T>& parameters_;
  WindowRunner<T> windows_;
  const TrainKernels<T>& kernels_ = Real<T>::kernels();
};

extern template class BlockRunner<float>;
extern template class BlockRunner<double>;

}  // namespace chop::trainer
