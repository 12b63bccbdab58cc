// Tensors without ATen: one function reads the object. Python has already made it a detached, contiguous CPU tensor.
#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <string>
#include <vector>

#include "chop/core/check.h"

namespace chop::bindings {

enum class DType { float32, float64, int64, uint8 };

struct TensorView {
  std::uintptr_t address = 0;
  std::vector<int64_t> shape;
  DType dtype = DType::float32;

  template <class T>
  T* data() const {
    return reinterpret_cast<T*>(address);
  }
  int64_t elements() const {
    int64_t count = 1;
    for (const int64_t size : shape) count *= size;
    return count;
  }
};

bool is_tensor(pybind11::handle object);
// TypeError that names the argument for what is no tensor. ValueError for another dtype, for strides, for memory that
// is not the CPU's, not there (fake, meta), not as large as the shape says, or not as the numbers stand in it
// (negated).
TensorView view(pybind11::handle tensor, const std::string& name, DType dtype);
// The same for float32 or float64, whichever it is.
TensorView view_floats(pybind11::handle tensor, const std::string& name);

}  // namespace chop::bindings
