// Norms of the numbers of a sample: layer norm and group norm.
#pragma once

#include <cstdint>

namespace chop {

// Groups of `rows` rows of a block, one after the other; row r of all has the weight (r / positions) % weights.
template <class T>
struct TrainRowNorm {
  int samples = 0;  // numbers of a row, a multiple of kTrainLanes
  int64_t ld = 0;   // from row to row
  int groups = 0, rows = 0;
  int positions = 1, weights = 0;
  T eps = 0;
  const T* gamma = nullptr;  // null: 1
  const T* beta = nullptr;   // null: 0
  const T* x = nullptr;
  T* y = nullptr;
  const T* g = nullptr;  // backward: of y; zero behind the valid samples
  T* dx = nullptr;       // null: not wanted; not g
  T* dgamma = nullptr;   // are added to; null: not wanted
  T* dbeta = nullptr;
  bool add = false;  // to what dx holds
};

template <class T>
struct TrainRowNormKernels {
  void (*forward)(const TrainRowNorm<T>& p) = nullptr;
  void (*backward)(const TrainRowNorm<T>& p) = nullptr;
};

}  // namespace chop
