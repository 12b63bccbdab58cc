#include "chop/bindings/tensor_view.h"

#include <array>

namespace chop::bindings {
namespace {

constexpr std::array<const char*, 4> kNames{"float32", "float64", "int64", "uint8"};
constexpr std::array<int64_t, 4> kBytes{4, 8, 8, 1};

// What a view compares with, looked up once.
struct Torch {
  pybind11::object tensor, strided, keys_of, negative;
  std::array<pybind11::object, kNames.size()> dtypes;
};

const Torch& torch() {
  PYBIND11_CONSTINIT static pybind11::gil_safe_call_once_and_store<Torch> kept;
  return kept
      .call_once_and_store_result([] {
        const auto module = pybind11::module_::import("torch");
        const pybind11::object c = module.attr("_C");
        Torch found{module.attr("Tensor"),
                    module.attr("strided"),
                    c.attr("_dispatch_keys"),
                    c.attr("DispatchKey").attr("Negative"),
                    {}};
        for (size_t i = 0; i < kNames.size(); ++i) found.dtypes[i] = module.attr(kNames[i]);
        return found;
      })
      .get_stored();
}

std::string text(pybind11::handle object) { return pybind11::str(object).cast<std::string>(); }

// Tensors of torch's transforms have none, and say so with an exception.
std::uintptr_t address_of(pybind11::handle tensor) {
  try {
    return tensor.attr("data_ptr")().cast<std::uintptr_t>();
  } catch (pybind11::error_already_set& error) {
    if (!error.matches(PyExc_RuntimeError) && !error.matches(PyExc_NotImplementedError)) throw;
    return 0;
  }
}

void check_memory(pybind11::handle tensor, const TensorView& found, const std::string& name) {
  if (found.elements() == 0) return;
  check(found.address != 0, name, " has no memory (a fake or meta tensor)");
  const int64_t bytes = kBytes[static_cast<size_t>(found.dtype)];
  const auto there = tensor.attr("untyped_storage")().attr("nbytes")().cast<int64_t>();
  const auto offset = tensor.attr("storage_offset")().cast<int64_t>();
  check(there / bytes - offset >= found.elements(), name, " has memory for fewer numbers than its shape says");
  check(found.address % static_cast<std::uintptr_t>(bytes) == 0, name,
        " lies at an address that is no multiple of its numbers' size; clone it");
}

TensorView checked(pybind11::handle tensor, const std::string& name, DType least, DType most) {
  if (!is_tensor(tensor))
    throw pybind11::type_error(name + " must be a torch tensor, got " + Py_TYPE(tensor.ptr())->tp_name);
  TensorView found;
  const pybind11::object dtype = tensor.attr("dtype");
  auto i = static_cast<size_t>(least);
  while (i <= static_cast<size_t>(most) && !dtype.is(torch().dtypes[i])) ++i;
  check(i <= static_cast<size_t>(most), name, " must be torch.", kNames[static_cast<size_t>(least)],
        least == most ? "" : std::string(" or torch.") + kNames[static_cast<size_t>(most)], ", got ", text(dtype));
  found.dtype = static_cast<DType>(i);
  check(!tensor.attr("is_meta").cast<bool>(), name, " has no memory (a fake or meta tensor)");
  check(tensor.attr("is_cpu").cast<bool>(), name, " must be in the CPU's memory, got ", text(tensor.attr("device")));
  const pybind11::object layout = tensor.attr("layout");
  check(layout.is(torch().strided), name, " must be dense, got ", text(layout));
  check(tensor.attr("is_contiguous")().cast<bool>(), name, " must be contiguous");
  // Not is_neg(): it lets go of the GIL, and a daemon thread that waits for it at the end aborts inside of torch.
  check(!torch().keys_of(tensor).attr("has")(torch().negative).cast<bool>(), name,
        " is a negated view: resolve_neg() it");
  for (const pybind11::handle size : tensor.attr("shape")) found.shape.push_back(size.cast<int64_t>());
  found.address = address_of(tensor);
  check_memory(tensor, found, name);
  return found;
}

}  // namespace

bool is_tensor(pybind11::handle object) { return pybind11::isinstance(object, torch().tensor); }

TensorView view(pybind11::handle tensor, const std::string& name, DType dtype) {
  return checked(tensor, name, dtype, dtype);
}

TensorView view_floats(pybind11::handle tensor, const std::string& name) {
  return checked(tensor, name, DType::float32, DType::float64);
}

}  // namespace chop::bindings
