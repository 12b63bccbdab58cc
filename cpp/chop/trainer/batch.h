// What a step of training is given.
#pragma once

#include <cstdint>

#include "chop/trainer/norms.h"

namespace chop::trainer {

// Rows of data, padded to a multiple of kTrainLanes numbers and aligned.
template <class T>
struct Rows {
  const T* x = nullptr;
  const uint16_t* y = nullptr;
  int64_t stride = 0;
  const T* wanted = nullptr;  // rows of probabilities that are the target instead of y, padded as x; null: none
  int64_t wanted_stride = 0;
};

struct Batch {
  const int64_t* order = nullptr;  // null: first, first + 1, …
  int64_t first = 0;
  BatchSize size;
  const int64_t* next = nullptr;  // rows of the batch after this one
  int64_t next_count = 0;
};

// The first number at a multiple of 64 bytes.
template <class T>
T* aligned(T* memory) {
  return reinterpret_cast<T*>((reinterpret_cast<uintptr_t>(memory) + 63) & ~uintptr_t{63});
}

}  // namespace chop::trainer
