#include <pybind11/pybind11.h>

#include <exception>

#include "chop/bindings/bindings.h"

namespace {

// `__new__` alone makes an object without a value, for which pybind11 would take fresh memory as if it were one.
void refuse_unmade_objects(const pybind11::module_& m) {
  for (const auto& entry : m.attr("__dict__").cast<pybind11::dict>()) {
    if (!PyType_Check(entry.second.ptr())) continue;
    auto* info = pybind11::detail::get_type_info(reinterpret_cast<PyTypeObject*>(entry.second.ptr()));
    if (!info) continue;
    info->operator_new = [](size_t) -> void* {
      throw pybind11::type_error("an object was used whose __init__ was not called");
    };
  }
  // Where an argument is held by a shared_ptr pybind11 looks for the holder, and would answer with a RuntimeError.
  pybind11::register_local_exception_translator([](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const pybind11::cast_error&) {
      PyErr_SetString(PyExc_TypeError, "an object was used whose __init__ was not called, or of a type not taken here");
    }
  });
}

}  // namespace

PYBIND11_MODULE(native, m) {
  m.doc() = "The C++ core of chop.";
  m.attr("__version__") = CHOP_VERSION;
  m.attr("__torch__") = CHOP_BUILD_TORCH;
#if defined(__clang__)
  m.attr("__compiler__") = "clang " __clang_version__;
#else
  m.attr("__compiler__") = "g++ " __VERSION__;
#endif
  chop::bindings::bind_core(m);
  chop::bindings::bind_ir(m);
  chop::bindings::bind_cost(m);
  chop::bindings::bind_statistics(m);
  chop::bindings::bind_quantization_errors(m);
  chop::bindings::bind_metrics(m);
  chop::bindings::bind_torch_call(m);
  chop::bindings::bind_evaluator(m);
  chop::bindings::bind_float_ops(m);
  chop::bindings::bind_search(m);
  chop::bindings::bind_tpe(m);
  chop::bindings::bind_trainer(m);
  refuse_unmade_objects(m);
}
