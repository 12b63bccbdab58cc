#include <pybind11/stl.h>

#include <optional>

#include "chop/bindings/bindings.h"
#include "chop/bindings/tensor_view.h"
#include "chop/evaluator/evaluator.h"

namespace chop::bindings {
namespace {

using evaluator::Config;
using evaluator::Evaluator;
using evaluator::Metrics;

// (node, quantizer, {operand: (width, frac_width, is_signed, rounding, overflow)}) for every quantized node.
using PyFormat = std::tuple<int, int, bool, std::string, std::string>;
using PyConfig = std::vector<std::tuple<std::string, std::string, std::map<std::string, PyFormat>>>;

Config to_config(const PyConfig& config) {
  Config result;
  for (const auto& [node, quantizer, operands] : config) {
    evaluator::NodeFormat format{node, quantizer, {}};
    for (const auto& [name, f] : operands)
      format.operands[name] = make_fixed_point(std::get<0>(f), std::get<1>(f), std::get<2>(f),
                                               rounding_mode(std::get<3>(f)), overflow_mode(std::get<4>(f)));
    result.push_back(std::move(format));
  }
  return result;
}

std::unique_ptr<Evaluator> make(const ir::Graph& graph, pybind11::handle x, pybind11::handle y, int threads,
                                bool fused_affine) {
  const TensorView data = view(x, "x", "torch.float32"), labels = view(y, "y", "torch.int64");
  check(data.shape.size() == 2, "x must have two dimensions (rows, features)");
  check(labels.shape == std::vector<int64_t>{data.shape[0]}, "y must hold one class index for each row of x");
  const pybind11::gil_scoped_release release;
  return std::make_unique<Evaluator>(graph, data.data<const float>(), labels.data<const int64_t>(), data.shape[0],
                                     data.shape[1], threads, fused_affine);
}

std::vector<Metrics> evaluate(const Evaluator& self, const std::vector<PyConfig>& configs, bool loss) {
  std::vector<Config> converted;
  for (const PyConfig& config : configs) converted.push_back(to_config(config));
  const pybind11::gil_scoped_release release;
  return self.evaluate(converted, loss);
}

void forward(const Evaluator& self, const PyConfig& config, pybind11::handle logits) {
  const TensorView out = view(logits, "logits", "torch.float32");
  check(out.shape == std::vector<int64_t>{self.rows(), self.classes()}, "logits must have the shape (rows, classes)");
  const Config converted = to_config(config);
  const pybind11::gil_scoped_release release;
  self.forward(converted, out.data<float>());
}

std::vector<std::tuple<std::string, std::string, double>> layers(const Evaluator& self, const PyConfig& config) {
  std::vector<std::tuple<std::string, std::string, double>> rows;
  for (const auto& layer : self.layers(to_config(config)))
    rows.emplace_back(layer.node, evaluator::road_name(layer.road), layer.bound);
  return rows;
}

}  // namespace

void bind_evaluator(pybind11::module_& m) {
  using pybind11::arg;
  pybind11::class_<Metrics>(m, "Metrics", "Counts of one evaluation.")
      .def_readonly("rows", &Metrics::rows)
      .def_readonly("support", &Metrics::support)
      .def_readonly("predicted", &Metrics::predicted)
      .def_readonly("correct", &Metrics::correct)
      .def_property_readonly("accuracy", &Metrics::accuracy_macro)
      .def_property_readonly("accuracy_micro", &Metrics::accuracy_micro)
      .def_property_readonly("loss", [](const Metrics& metrics) {
        return metrics.has_loss ? std::optional<double>(metrics.loss()) : std::nullopt;
      });
  pybind11::class_<Evaluator>(m, "Evaluator", "Evaluates configs on resident data and weights.")
      .def(pybind11::init(&make), arg("graph"), arg("x"), arg("y"), arg("threads"), arg("fused_affine"))
      .def("evaluate", &evaluate, arg("configs"), arg("loss"))
      .def("forward", &forward, arg("config"), arg("logits"))
      .def("layers", &layers, arg("config"), "(node, road, bound) for every linear layer.")
      .def_property_readonly("rows", &Evaluator::rows)
      .def_property_readonly("classes", &Evaluator::classes)
      .def_property_readonly("threads", &Evaluator::threads);
}

}  // namespace chop::bindings
