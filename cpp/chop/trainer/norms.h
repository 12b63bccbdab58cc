// Batch norms: what is put together between phases, and the running statistics.
#pragma once

#include <vector>

#include "chop/trainer/plan.h"
#include "chop/trainer/real.h"

namespace chop::trainer {

// Samples of the blocks of a batch.
struct BatchSize {
  int64_t rows = 0;
  int blocks = 0, block_rows = 0;
  int valid(int block) const {
    const int64_t left = rows - static_cast<int64_t>(block) * block_rows;
    return static_cast<int>(left < block_rows ? left : block_rows);
  }
};

template <class T>
class Norms {
 public:
  Norms(const Plan& plan, const Specification& specification);

  void reserve(int blocks);
  TrainNorm<T> constants(int norm, const T* parameters) const;
  // Where a block leaves its two sums a channel.
  T* first_sum(int norm, int block);
  T* second_sum(int norm, int block);

  // Of the last batch, [channels].
  T* mean(int norm);
  T* variance(int norm);

  void take_moments(int norm, const BatchSize& batch, const T* parameters);
  void take_gradients(int norm, const BatchSize& batch, const T* parameters, T* gradients);
  void take_running(const T* parameters);  // constants for evaluation
  void commit(const BatchSize& batch);     // running statistics of a batch that has been trained

  std::vector<T> running;        // mean and variance of each pair, one after the other
  std::vector<int64_t> batches;  // that each pair has seen
  int64_t running_place(int pair) const { return places_[static_cast<size_t>(pair)]; }

 private:
  T* channel_memory(int norm, int which) const;

  const Plan& plan_;
  std::vector<int64_t> places_;
  std::vector<int64_t> starts_;  // of each norm's constants, in channels
  int64_t channels_ = 0;
  mutable std::vector<T> memory_;  // kArrays arrays [channels] each
  std::vector<T> sums_;
  int blocks_ = 0;
  const TrainNormKernels<T>& kernels_ = Real<T>::kernels().norm;
};

extern template class Norms<float>;
extern template class Norms<double>;

}  // namespace chop::trainer
