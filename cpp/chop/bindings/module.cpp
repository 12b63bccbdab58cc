#include "chop/bindings/bindings.h"

PYBIND11_MODULE(native, m) {
  m.doc() = "The C++ core of chop.";
  m.attr("__version__") = CHOP_VERSION;
  chop::bindings::bind_core(m);
  chop::bindings::bind_ir(m);
  chop::bindings::bind_cost(m);
  chop::bindings::bind_statistics(m);
  chop::bindings::bind_quantization_errors(m);
  chop::bindings::bind_metrics(m);
  chop::bindings::bind_evaluator(m);
  chop::bindings::bind_float_ops(m);
  chop::bindings::bind_search(m);
  chop::bindings::bind_tpe(m);
}
