#include "chop/evaluator/step.h"

namespace chop::evaluator {

Registry<FloatOp>& float_ops() {
  static Registry<FloatOp> registry("float operation");
  return registry;
}

}  // namespace chop::evaluator
