#include <pybind11/stl.h>

#include "chop/bindings/bindings.h"
#include "chop/bindings/gil.h"
#include "chop/bindings/tensor_view.h"
#include "chop/statistics/quantization_errors.h"

namespace chop::bindings {
namespace {

using statistics::QuantizationErrors;

void update(QuantizationErrors& self, pybind11::handle tensor, int threads) {
  check(threads >= 1, "threads must be 1 or more, got ", threads);
  const TensorView x = view(tensor, "tensor", DType::float32);
  const WithoutGil release;
  const ThreadPool pool(threads);
  self.update(x.data<const float>(), x.elements(), pool);
}

}  // namespace

void bind_quantization_errors(pybind11::module_& m) {
  using pybind11::arg;
  pybind11::class_<QuantizationErrors>(m, "QuantizationErrors",
                                       "Sums of squared errors of a stream of numbers under many fraction widths.")
      .def(pybind11::init<int64_t, bool, const std::vector<int64_t>&>(), arg("width"), arg("is_signed"),
           arg("frac_widths"))
      .def("update", &update, arg("tensor"), arg("threads") = 1, "The next numbers: a contiguous float32 tensor.")
      .def_property_readonly("errors", unlocked(&QuantizationErrors::errors),
                             "Sum of squared errors for each fraction width; NaN and infinities count for nothing.")
      .def_property_readonly("power", unlocked(&QuantizationErrors::power), "Sum of squares of the numbers.")
      .def_property_readonly("count", unlocked(&QuantizationErrors::count), "How many numbers were given.");
}

}  // namespace chop::bindings
