// One register function for each layer; module.cpp only lists them.
#pragma once

#include <pybind11/pybind11.h>

namespace chop::bindings {

void bind_core(pybind11::module_& m);
void bind_ir(pybind11::module_& m);
void bind_cost(pybind11::module_& m);
void bind_statistics(pybind11::module_& m);
void bind_quantization_errors(pybind11::module_& m);
void bind_metrics(pybind11::module_& m);
void bind_torch_call(pybind11::module_& m);
void bind_evaluator(pybind11::module_& m);
void bind_float_ops(pybind11::module_& m);
void bind_search(pybind11::module_& m);
void bind_tpe(pybind11::module_& m);
void bind_trainer(pybind11::module_& m);

}  // namespace chop::bindings
