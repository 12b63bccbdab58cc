#include <pybind11/stl.h>

#include "chop/bindings/bindings.h"
#include "chop/bindings/gil.h"
#include "chop/bindings/tensor_view.h"
#include "chop/statistics/statistic.h"

namespace chop::bindings {
namespace {

using statistics::Statistic;
using statistics::Values;

pybind11::dict members() {
  pybind11::dict result;
  for (const auto& [name, member] : statistics::registry().members()) {
    pybind11::dict parameters;
    for (const statistics::Parameter& p : member.parameters)
      parameters[pybind11::str(p.name)] = pybind11::cast(p.standard);
    result[pybind11::str(name)] = parameters;
  }
  return result;
}

void update(Statistic& self, pybind11::handle tensor, int64_t groups) {
  const TensorView x = view_floats(tensor, "tensor");
  const bool wide = x.dtype == DType::float64;
  check(groups > 0 && x.elements() % groups == 0, "tensor has ", x.elements(),
        " numbers, no multiple of groups = ", groups);
  const int64_t rows = x.elements() / groups;
  const WithoutGil release;
  self.update(wide ? Values(x.data<const double>(), rows, groups) : Values(x.data<const float>(), rows, groups));
}

template <class T>
pybind11::bytearray bytes(const std::vector<T>& values) {
  return pybind11::bytearray(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

pybind11::tuple compute(const Statistic& self) {
  statistics::Result result;
  {
    const WithoutGil release;
    result = self.compute();
  }
  pybind11::list fields;
  for (const statistics::Field& field : result.fields)
    fields.append(
        pybind11::make_tuple(field.name, bytes(field.values), field.per_group, field.missing, field.integral));
  return pybind11::make_tuple(fields, bytes(result.count), bytes(result.nan), result.shows_count);
}

}  // namespace

void bind_statistics(pybind11::module_& m) {
  using pybind11::arg;
  m.def("statistics", members, "The native statistics: name to {argument: standard value}.");
  pybind11::class_<Statistic>(m, "Statistic", "A statistic over tensors seen as [rows][groups].")
      .def(pybind11::init(&statistics::make), arg("name"), arg("arguments"))
      .def("update", &update, arg("tensor"), arg("groups"), "Add a contiguous float32 or float64 tensor.")
      .def("merge", &Statistic::merge, arg("other"), pybind11::call_guard<WithoutGil>())
      .def("compute", &compute,
           "((name, float64 bytes, numbers per group, missing, integral), …), int64 bytes of the counts and of the NaN "
           "counts, "
           "and whether the count is shown.");
}

}  // namespace chop::bindings
