// Trains chains of narrow batch norms, linear layers and ReLUs on batches that need no second thread: without blocks,
// with the features of a sample in one vector. Where it serves depends on the plan and the rows of a batch alone.
#pragma once

#include <vector>

#include "chop/core/large_array.h"
#include "chop/trainer/batch.h"
#include "chop/trainer/norms.h"
#include "chop/trainer/weights.h"

namespace chop::trainer {

template <class T>
class NarrowRunner {
 public:
  NarrowRunner(const Plan& plan, Norms<T>& norms, Weights<T>& weights);

  bool takes(int64_t rows) const { return !stages_.empty() && rows <= kNarrowRows; }
  void reserve(int64_t batch_size);  // where it takes batches of so many rows

  // As BatchRunner::train.
  double train(const Rows<T>& data, const Batch& batch, double scale, bool keep, int64_t* confusion);

 private:
  static void fetch_labels(const Rows<T>& data, const Batch& batch, T* labels);

  Weights<T>& weights_;
  std::vector<TrainNarrowStage<T>> stages_;  // empty: the plan is no narrow chain, or there are no kernels
  int classes_;
  int64_t rows_ = 0;  // that there is memory for
  LargeArray<T> memory_;
  T *inputs_ = nullptr, *scratch_ = nullptr, *affine_ = nullptr, *columns_ = nullptr;
  const TrainKernels<T>& kernels_ = Real<T>::kernels();
};

extern template class NarrowRunner<float>;
extern template class NarrowRunner<double>;

}  // namespace chop::trainer
