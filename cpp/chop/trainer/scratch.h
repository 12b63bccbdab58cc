// Memory of each thread for what a step needs only while it runs, so that it stays in the near caches.
#pragma once

#include <cstdint>
#include <vector>

#include "chop/trainer/batch.h"

namespace chop::trainer {

enum class Scratch : int { margins, tiles };

template <class T, Scratch which>
T* scratch(int64_t numbers) {
  thread_local std::vector<T> memory;
  if (memory.size() < static_cast<size_t>(numbers) + 64) memory.resize(static_cast<size_t>(numbers) + 64);
  return aligned(memory.data());
}

}  // namespace chop::trainer
