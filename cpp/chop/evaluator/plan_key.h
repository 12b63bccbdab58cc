// What the steps of a plan are known by in the caches.
#pragma once

#include "chop/evaluator/config.h"
#include "chop/evaluator/step_cache.h"

namespace chop::evaluator {

enum Tag : int64_t {
  kLayer,
  kEncoded,
  kProduct,
  kTurned,
  kFloatOp,
  kAffine,
  kRelu,
  kRounded,
  kTorch,
  kElements,
  kPlanes,
  kCapped,
  kValues,
  kAdded
};

// Null: no format.
void append(Key* key, const FixedPoint* format);
void append(Key* key, const ElementFormats& formats);
void append(Key* key, const quantizers::BoundFormat& format);
void append(Key* key, const NodeFormat* format);

}  // namespace chop::evaluator
