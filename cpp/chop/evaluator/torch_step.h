// The step of a node that torch computes, on many rows at a time.
#pragma once

#include <vector>

#include "chop/evaluator/step.h"
#include "chop/evaluator/torch_call.h"

namespace chop::evaluator {

class TorchStep : public Step {
 public:
  // sizes: numbers in a row of each input, and of the output. Throws unless the call has the same.
  TorchStep(TorchCallPtr call, std::vector<int> input_sizes, int output_size);
  void run(const void* const* in, void* out) const override;
  void run_many(const std::vector<Neighbours>& in, const Neighbours& out, int count, int rows,
                std::vector<const void*>* arguments) const override;
  size_t bytes() const override { return call_->bytes; }

 private:
  TorchCallPtr call_;
  std::vector<int> input_sizes_;
};

}  // namespace chop::evaluator
