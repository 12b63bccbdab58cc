#include <pybind11/stl.h>

#include <algorithm>

#include "chop/bindings/bindings.h"
#include "chop/bindings/gil.h"
#include "chop/bindings/tensor_view.h"
#include "chop/evaluator/run_node.h"

namespace chop::bindings {
namespace {

void run_float_op(const ir::Graph& graph, const std::string& node, const std::vector<pybind11::object>& inputs,
                  pybind11::handle output) {
  std::vector<std::vector<float>> values;
  int64_t samples = 0;
  for (const pybind11::object& input : inputs) {
    const TensorView from = view(input, "input", DType::float32);
    check(!from.shape.empty(), "an input needs a batch");
    samples = from.shape[0];
    values.emplace_back(from.data<const float>(), from.data<const float>() + from.elements());
  }
  const TensorView to = view(output, "output", DType::float32);
  const WithoutGil release;
  const std::vector<float> result = evaluator::run_node(graph, node, values, samples);
  check(static_cast<int64_t>(result.size()) == to.elements(), "output must hold ", result.size(), " numbers, got ",
        to.elements());
  std::copy(result.begin(), result.end(), to.data<float>());
}

}  // namespace

void bind_float_ops(pybind11::module_& m) {
  using pybind11::arg;
  m.def("run_float_op", run_float_op, arg("graph"), arg("node"), arg("inputs"), arg("output"),
        "Run one node of a lowered graph on what it reads (one float32 tensor an input, batch first) into output.");
}

}  // namespace chop::bindings
