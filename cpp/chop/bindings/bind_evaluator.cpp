#include <pybind11/stl.h>

#include <optional>

#include "chop/bindings/bindings.h"
#include "chop/bindings/format_memo.h"
#include "chop/bindings/formats.h"
#include "chop/bindings/gil.h"
#include "chop/bindings/given.h"
#include "chop/bindings/metric_values.h"
#include "chop/bindings/python_format.h"
#include "chop/bindings/tensor_view.h"
#include "chop/bindings/torch_call.h"
#include "chop/bindings/typed.h"
#include "chop/evaluator/evaluator.h"

namespace chop::bindings {
namespace {

using evaluator::Config;
using evaluator::Evaluator;
using evaluator::NodeFormat;
using evaluator::TorchCallPtr;

// (node, quantizer, {operand: format}) for every quantized node.
using PyNode = std::tuple<std::string, std::string, std::map<std::string, PyOperand>>;

void add_format(NodeFormat* node, const std::string& operand, const OneFormat& f) {
  node->operands[operand] = to_format(f);
}

void add_format(NodeFormat* node, const std::string& operand, const EachFormat& f) {
  ElementFormats formats = to_formats(f);
  node->operands[operand] = common_format(formats);
  node->elements[operand] = std::make_shared<const ElementFormats>(std::move(formats));
}

void add_format(NodeFormat* node, const std::string& operand, const PyValueFormat& f) {
  node->values[operand] = to_bound(f);
}

NodeFormat to_format(const PyNode& entry) {
  const auto& [node, quantizer, operands] = entry;
  NodeFormat format;
  format.node = node;
  format.quantizer = quantizer;
  for (const auto& [name, given] : operands)
    std::visit([&, operand = name](const auto& f) { add_format(&format, operand, f); }, given);
  return format;
}

std::vector<NodeFormat> to_formats(const std::vector<PyNode>& entries) {
  std::vector<NodeFormat> formats;
  for (const PyNode& entry : entries) formats.push_back(to_format(entry));
  return formats;
}

// calls: nodes that torch computes under this config.
Formats make_formats(const std::vector<PyNode>& nodes, const std::vector<Given<SharedCall>>& calls) {
  Formats formats{to_formats(nodes)};
  for (const auto& call : calls) formats.config.push_back({call->node, "", {}, call.held, {}, {}});
  return formats;
}

std::optional<Formats> find_formats(const FormatMemo& memo, pybind11::handle config) {
  if (auto found = memo.find(config)) return Formats{std::move(*found)};
  return std::nullopt;
}

void remember_formats(FormatMemo& memo, pybind11::handle config, const std::vector<std::vector<PyNode>>& rules) {
  std::vector<Config> decided;
  for (const auto& rule : rules) decided.push_back(to_formats(rule));
  memo.remember(config, decided);
}

// The sizes of a row of data are the graph's business.
std::unique_ptr<Evaluator> make(const ir::Graph& graph, pybind11::handle x, pybind11::handle y, int threads,
                                bool fused_affine, const std::vector<Given<SharedCall>>& calls) {
  const TensorView data = view(x, "x", DType::float32);
  check(data.shape.size() >= 2, "x must have two or more dimensions, rows first");
  const int64_t* labels = nullptr;
  if (!y.is_none()) {
    const TensorView given = view(y, "y", DType::int64);
    check(given.shape == std::vector<int64_t>{data.shape[0]}, "y must hold one class index for each row of x");
    labels = given.data<const int64_t>();
  }
  int64_t features = 1;
  for (size_t i = 1; i < data.shape.size(); ++i) features *= data.shape[i];
  std::map<std::string, TorchCallPtr> by_node;
  for (const auto& call : calls) by_node[call->node] = call.held;
  const WithoutGil release;
  return std::make_unique<Evaluator>(graph, data.data<const float>(), labels, data.shape[0], features, threads,
                                     fused_affine, std::move(by_node));
}

pybind11::list evaluate(const Evaluator& self, const std::vector<Given<const Formats*>>& configs,
                        const std::vector<PyMetricSpec>& metrics) {
  std::vector<Config> all;
  drop_orphans();
  for (const auto& formats : configs) all.push_back(formats->config);
  const std::vector<evaluator::MetricSpec> specs = to_metric_specs(metrics);
  std::vector<std::vector<evaluator::MetricValue>> found;
  {
    const WithoutGil release;
    found = self.evaluate(all, specs);
  }
  pybind11::list results;
  for (const auto& values : found) results.append(to_metric_values(values));
  return results;
}

void forward(const Evaluator& self, const Formats& formats, pybind11::handle logits) {
  const TensorView out = view(logits, "logits", DType::float32);
  check(!out.shape.empty() && out.shape[0] == self.rows() && out.elements() == self.rows() * self.outputs(),
        "logits must have the shape (rows, ...) of the graph's output");
  const WithoutGil release;
  self.forward(formats.config, out.data<float>());
}

std::vector<std::tuple<std::string, std::string, double>> layers(const Evaluator& self, const Formats& formats) {
  std::vector<std::tuple<std::string, std::string, double>> rows;
  std::vector<evaluator::LayerReport> found;
  {
    const WithoutGil release;
    found = self.layers(formats.config);
  }
  for (const auto& layer : found) rows.emplace_back(layer.node, evaluator::road_name(layer.road), layer.bound);
  return rows;
}

pybind11::tuple to_tuple(const evaluator::Saturation& s) { return pybind11::make_tuple(s.beyond, s.count); }

pybind11::list certificate(const Evaluator& self, const Formats& formats) {
  std::vector<evaluator::LayerCertificate> found;
  {
    const WithoutGil release;
    found = self.certificate(formats.config);
  }
  pybind11::list rows;
  for (const evaluator::LayerCertificate& layer : found) {
    pybind11::dict row;
    row["node"] = layer.node;
    row["sums"] = layer.sums;
    row["road"] = evaluator::road_name(layer.road);
    row["unit"] = layer.unit;
    row["bound"] = layer.bound;
    row["countable"] = layer.countable();
    row["finite"] = layer.data_is_finite;
    row["used"] = layer.used;
    row["reach"] = layer.reach;
    row["inputs"] = to_tuple(layer.inputs);
    row["weights"] = to_tuple(layer.weights);
    row["biases"] = to_tuple(layer.biases);
    row["counterexample"] = pybind11::none();
    if (const auto& e = layer.counterexample)
      row["counterexample"] = pybind11::make_tuple(e->row, e->output, e->exact, e->in_float);
    rows.append(row);
  }
  return rows;
}

std::map<std::string, bool> float_ops() {
  std::map<std::string, bool> found;
  for (const auto& [name, op] : evaluator::float_ops().members()) found[name] = op.same_bits;
  return found;
}

}  // namespace

void bind_evaluator(pybind11::module_& m) {
  using pybind11::arg;
  m.def("float_ops", &float_ops, "Operations on floats that the evaluator runs: whether torch fixes their bits.");
  m.def("nodes_for_torch", &evaluator::nodes_for_torch, arg("graph"),
        "Names of the nodes that only torch can compute.");
  pybind11::class_<Formats>(m, "Formats", "A config as the evaluator takes it.")
      .def(pybind11::init(&make_formats), arg("nodes"), arg("calls") = std::vector<Given<SharedCall>>{},
           "nodes: (name, quantizer, {operand: (width, frac_width, is_signed, rounding, overflow)}), or for other "
           "formats (name, numbers, block_size, first_dim); an operand without a format is float.");
  pybind11::class_<FormatMemo>(m, "FormatMemo",
                               "Formats that were decided for the rules of configs, found again operand by operand.")
      .def(pybind11::init<>())
      .def("find", &find_formats, arg("config"), "None if a part of the config is new to the memo.")
      .def("remember", &remember_formats, arg("config"), arg("rules"),
           "rules: the nodes of each rule, in their order.");
  pybind11::class_<Evaluator>(m, "Evaluator", "Evaluates configs on resident data and weights.")
      .def(pybind11::init(&make), arg("graph"), arg("x"), arg("y"), arg("threads"), arg("fused_affine"),
           arg("calls") = std::vector<Given<SharedCall>>{})
      .def("evaluate", &evaluate, arg("configs"), arg("metrics"),
           "For each config the values of score(), in the order of the metrics, which are specs as there.")
      .def("forward", &forward, arg("config"), arg("logits"))
      .def("layers", &layers, arg("config"), "(node, road, bound) for every linear layer.")
      .def("certificate", &certificate, arg("config"),
           "One dict for each operand of data that is on a grid; sums: of a layer whose operands all are.")
      .def_property_readonly("rows", getter(&Evaluator::rows))
      .def_property_readonly(
          "output_shape", [](const Evaluator& self) { return self.output_shape(); }, "Of one row of the result.")
      .def_property_readonly("threads", getter(&Evaluator::threads));
}

}  // namespace chop::bindings
