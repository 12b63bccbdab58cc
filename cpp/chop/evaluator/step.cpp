#include "chop/evaluator/step.h"

namespace chop::evaluator {

Registry<FloatOp>& float_ops() {
  static Registry<FloatOp> instance("operation of the evaluator");
  return instance;
}

}  // namespace chop::evaluator
