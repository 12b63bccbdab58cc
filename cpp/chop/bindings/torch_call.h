// A node that torch computes, as Python hands it over.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>

#include "chop/evaluator/torch_call.h"

namespace chop::bindings {

using SharedCall = std::shared_ptr<evaluator::TorchCall>;

// Python objects whose last owner let go of them without Python's lock are dropped now, by who has it.
void drop_orphans();

}  // namespace chop::bindings
