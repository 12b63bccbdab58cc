#include <pybind11/stl.h>

#include "chop/bindings/bindings.h"
#include "chop/bindings/formats.h"
#include "chop/bindings/gil.h"
#include "chop/bindings/given.h"
#include "chop/bindings/tensor_view.h"
#include "chop/bindings/typed.h"
#include "chop/search/pareto.h"
#include "chop/search/sweep.h"

namespace chop::bindings {
namespace {

using search::Choice;
using search::Objective;
using search::Space;
using search::Sweep;

using PyChoice = std::pair<Given<const Formats*>, std::vector<cost::NodeWidths>>;

std::unique_ptr<Space> make_space(const std::vector<std::vector<PyChoice>>& groups) {
  std::vector<std::vector<Choice>> made;
  for (const auto& group : groups) {
    made.emplace_back();
    for (const auto& [formats, widths] : group) made.back().push_back({formats->config, widths});
  }
  return std::make_unique<Space>(std::move(made));
}

// A float64 tensor (rows, columns).
TensorView table(pybind11::handle tensor, const char* name) {
  TensorView found = view(tensor, name, DType::float64);
  check(found.shape.size() == 2, name, " must have the shape (rows, columns)");
  return found;
}

void costs(const Space& self, const cost::Costs& models, int64_t first, pybind11::handle totals) {
  const TensorView out = table(totals, "totals");
  const WithoutGil release;
  check(out.shape[1] == static_cast<int64_t>(models.totals({}).size()), "totals must have a column for each model");
  self.costs(models, first, out.shape[0], out.data<double>());
}

std::unique_ptr<Sweep> make_sweep(const evaluator::Evaluator& evaluator, const Space& space,
                                  const std::vector<std::pair<std::string, bool>>& objectives, int threads) {
  std::vector<Objective> all;
  for (const auto& [metric, maximize] : objectives) all.push_back({metric, maximize});
  return std::make_unique<Sweep>(evaluator, space, std::move(all), threads);
}

void run(Sweep& self, int64_t first, bool prune, pybind11::handle values, pybind11::handle dropped) {
  const TensorView rows = table(values, "values");
  const TensorView flags = view(dropped, "dropped", DType::uint8);
  check(rows.shape[1] == self.objectives() && flags.elements() == rows.shape[0],
        "values must have a column for each objective and dropped a flag for each row");
  const WithoutGil release;
  self.run(first, rows.shape[0], prune, rows.data<double>(), flags.data<uint8_t>());
}

void add_finished(Sweep& self, pybind11::handle values) {
  const TensorView rows = table(values, "values");
  check(rows.shape[1] == self.objectives(), "values must have a column for each objective");
  const WithoutGil release;
  self.add_finished(rows.data<double>(), rows.shape[0]);
}

std::vector<int64_t> front(pybind11::handle values) {
  const TensorView rows = table(values, "values");
  const WithoutGil release;
  return search::pareto_front(rows.data<double>(), rows.shape[0], static_cast<int>(rows.shape[1]));
}

}  // namespace

void bind_search(pybind11::module_& m) {
  using pybind11::arg;
  m.def("pareto_front", &front, arg("values"),
        "Ascending positions of the rows of a float64 tensor that no other dominates, smaller being better; equal rows "
        "together, rows with NaN never.");
  pybind11::class_<Space>(m, "SweepSpace", "Every combination of one choice a group, the last group turning fastest.")
      .def(pybind11::init(&make_space), arg("groups"), "groups: lists of (Formats, widths of nodes).")
      .def_property_readonly("size", getter(&Space::size))
      .def("costs", &costs, arg("models"), arg("first"), arg("totals"),
           "Fill a float64 tensor (count, models) for the configurations from first on.");
  pybind11::class_<Sweep>(m, "Sweep", "A walk over a space; see search/sweep.h.")
      .def(pybind11::init(&make_sweep), arg("evaluator"), arg("space"), arg("objectives"), arg("threads"),
           pybind11::keep_alive<1, 2>(), pybind11::keep_alive<1, 3>(),
           "objectives: (metric, or empty for a cost; whether to maximize).")
      .def("run", &run, arg("first"), arg("prune"), arg("values"), arg("dropped"),
           "Fill float64 (count, objectives), whose costs are filled in, and uint8 (count).")
      .def("add_finished", &add_finished, arg("values"), "What is finished elsewhere counts for pruning, too.");
}

}  // namespace chop::bindings
