// Runs a plan on batches: memory for its blocks, phases, parts.
#pragma once

#include <algorithm>
#include <vector>

#include "chop/core/large_array.h"
#include "chop/core/parallel.h"
#include "chop/trainer/batch.h"
#include "chop/trainer/block_runner.h"
#include "chop/trainer/narrow_runner.h"
#include "chop/trainer/trainer.h"
#include "chop/trainer/weights.h"

namespace chop::trainer {

template <class T>
class BatchRunner {
 public:
  BatchRunner(const Plan& plan, Norms<T>& norms, Weights<T>& weights, const ThreadPool& pool);

  BatchSize size_of(int64_t rows) const;
  void reserve(int64_t batch_size);

  // Forward and backward of a batch; returns the sum of its losses. keep: gradients are added to those that are there.
  double train(const Rows<T>& data, const Batch& batch, double scale, bool keep, int64_t* confusion);

  // Forward with the running statistics, for rows that need no padding.
  double evaluate(const T* x, const uint16_t* y, int64_t rows, int64_t* confusion);

  bool& skips_zeros() { return runner_.skips_zeros; }

 private:
  struct Part {
    double loss = 0;
    std::vector<int64_t> confusion;
  };

  Block<T> block(int number, int memory, int part, const BatchSize& size) const;
  void fetch(const Rows<T>& data, const Batch& batch, const Block<T>& b) const;
  double classify(const Block<T>& b, bool backward, double scale, int64_t* confusion) const;
  void finish(const Phase& phase, const BatchSize& size, bool backward);
  double collect(int parts, int64_t* confusion);
  double evaluate_block(const T* x, const uint16_t* y, const BatchSize& size, int number, int part);

  // Calls run(block number, part) for all blocks; the blocks of a part in their order.
  template <class Run>
  void for_blocks(const BatchSize& size, const Run& run);

  // Of large networks fewer: each part has gradients of its own.
  int parts_of(int blocks) const {
    const int64_t most =
        std::clamp(kMostGradients / std::max<int64_t>(1, plan_.parameters), int64_t{1}, int64_t{kTrainParts});
    return static_cast<int>(std::min<int64_t>(blocks, most));
  }
  static constexpr int64_t kMostGradients = int64_t{1} << 26;

  const Plan& plan_;
  Norms<T>& norms_;
  Weights<T>& weights_;
  const ThreadPool& pool_;
  BlockRunner<T> runner_;
  NarrowRunner<T> narrow_;
  int classes_;
  int64_t block_memory() const { return plan_.rows + 2 + classes_; }  // rows
  int64_t ld_ = 0;
  int blocks_ = 0;
  LargeArray<T> memory_;
  T* aligned_ = nullptr;
  std::vector<T> packed_;  // rows of an evaluation, one block a part
  std::vector<Part> parts_;
  const TrainKernels<T>& kernels_ = Real<T>::kernels();
};

extern template class BatchRunner<float>;
extern template class BatchRunner<double>;

}  // namespace chop::trainer
