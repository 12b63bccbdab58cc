// Tensors without ATen: one function reads the object. Python has already made it a detached, contiguous CPU tensor.
#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <string>
#include <vector>

#include "chop/core/check.h"

namespace chop::bindings {

struct TensorView {
  std::uintptr_t address = 0;
  std::vector<int64_t> shape;

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

// dtype: "torch.float32" and so on. Throws on another dtype, on strides and on tensors without memory (fake, meta).
inline TensorView view(pybind11::handle tensor, const char* name, const char* dtype) {
  TensorView result;
  const auto found = pybind11::str(tensor.attr("dtype")).cast<std::string>();
  check(found == dtype, name, " must be ", dtype, ", got ", found);
  check(tensor.attr("is_contiguous")().cast<bool>(), name, " must be contiguous");
  for (const pybind11::handle size : tensor.attr("shape")) result.shape.push_back(size.cast<int64_t>());
  result.address = tensor.attr("data_ptr")().cast<std::uintptr_t>();
  check(result.address != 0 || result.elements() == 0, name, " has no memory (a fake or meta tensor)");
  return result;
}

}  // namespace chop::bindings
