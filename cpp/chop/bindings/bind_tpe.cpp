#include <pybind11/stl.h>

#include "chop/bindings/bindings.h"
#include "chop/bindings/gil.h"
#include "chop/search/tpe.h"

namespace chop::bindings {
namespace {

using search::Tpe;
using search::Trial;

std::unique_ptr<Tpe> make_tpe(const std::vector<std::pair<int64_t, bool>>& parameters, int objectives, uint64_t seed,
                              int64_t startup, int64_t candidates, bool joint, bool avoid_repeats) {
  std::vector<search::Parameter> all;
  for (const auto& [length, ordered] : parameters) all.push_back({length, ordered});
  return std::make_unique<Tpe>(std::move(all), objectives,
                               search::TpeOptions{seed, startup, candidates, joint, avoid_repeats});
}

std::vector<int64_t> propose(Tpe& self, int64_t number,
                             const std::vector<std::pair<int64_t, std::vector<int64_t>>>& running) {
  const WithoutGil release;
  std::vector<Trial> trials;
  for (const auto& [other, point] : running) trials.push_back({other, point, {}, 0});
  return self.propose(number, trials);
}

}  // namespace

void bind_tpe(pybind11::module_& m) {
  using pybind11::arg;
  pybind11::class_<Tpe>(m, "Tpe", "A tree-structured Parzen estimator over finite choices; see search/tpe.h.")
      .def(pybind11::init(&make_tpe), arg("parameters"), arg("objectives"), arg("seed"), arg("startup") = 10,
           arg("candidates") = 24, arg("joint") = true, arg("avoid_repeats") = true,
           "parameters: (number of choices, whether they are ordered).")
      .def("tell", &Tpe::tell, arg("number"), arg("point"), arg("values"), arg("violation") = 0.0,
           pybind11::call_guard<WithoutGil>(),
           "A finished trial: smaller values are better, a NaN among them says that it failed.")
      .def("propose", &propose, arg("number"), arg("running") = std::vector<std::pair<int64_t, std::vector<int64_t>>>(),
           "The point for a trial; running: (number, point) of trials without values so far.")
      .def_property_readonly("told", unlocked(&Tpe::told));
}

}  // namespace chop::bindings
