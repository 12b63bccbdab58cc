// One block of samples, as the steps of a plan see it.
#pragma once

#include "chop/kernels/training.h"

namespace chop::trainer {

template <class T>
struct Block {
  TrainBlock size;
  int number = 0;
  T* memory = nullptr;     // plan.rows rows
  T* labels = nullptr;     // one row
  T* predicted = nullptr;  // one row
  T* wanted = nullptr;     // as many rows as classes; null: the labels are the target
  const T* weights = nullptr;
  T* gradients = nullptr;  // of the weights
  T* widths = nullptr;     // gradients of the widths that are trained, as sums

  T* row(int r) const { return memory + r * size.ld; }
};

}  // namespace chop::trainer
