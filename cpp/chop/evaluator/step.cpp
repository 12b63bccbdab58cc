#include "chop/evaluator/step.h"

namespace chop::evaluator {

void Step::run_many(const std::vector<Neighbours>& in, const Neighbours& out, int count, int,
                    std::vector<const void*>* arguments) const {
  for (int k = 0; k < count; ++k) {
    for (size_t i = 0; i < in.size(); ++i) (*arguments)[i] = in[i].at(k);
    run(arguments->data(), const_cast<void*>(out.at(k)));
  }
}

Registry<FloatOp>& float_ops() {
  // Not destroyed: a daemon thread may read it while the process ends.
  static auto& instance = *new Registry<FloatOp>("operation of the evaluator");
  return instance;
}

}  // namespace chop::evaluator
