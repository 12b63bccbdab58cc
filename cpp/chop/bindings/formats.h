// A resolved config, so that Python hands over one object.
#pragma once

#include "chop/evaluator/config.h"

namespace chop::bindings {

struct Formats {
  evaluator::Config config;
};

}  // namespace chop::bindings
