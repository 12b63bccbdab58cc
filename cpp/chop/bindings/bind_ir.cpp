#include <pybind11/operators.h>
#include <pybind11/stl.h>

#include "chop/bindings/bindings.h"
#include "chop/bindings/tensor_view.h"
#include "chop/bindings/typed.h"
#include "chop/ir/graph.h"
#include "chop/ir/text.h"

namespace chop::bindings {
namespace {

using ir::Graph;
using ir::Node;

// Collects nodes from Python and hands back the immutable graph.
class GraphBuilder {
 public:
  void add(const std::string& name, const std::string& op, const std::vector<std::string>& inputs,
           const std::map<std::string, std::variant<double, ir::List>>& attributes,
           const std::map<std::string, pybind11::object>& parameters, const ir::Shape& shape) {
    Graph::Spec spec{name, op, inputs, {}, {}, shape};
    for (const auto& [key, value] : attributes) spec.attributes.push_back({key, value});
    for (const auto& [parameter, tensor] : parameters) {
      if (pybind11::isinstance<pybind11::sequence>(tensor)) {  // a shape alone, for what reads no values
        spec.parameters.push_back(
            {parameter, typed<ir::Shape>(tensor, parameter, "a float32 tensor or a shape of integers"), nullptr, 0});
        continue;
      }
      const TensorView values = view(tensor, parameter, DType::float32);
      const float* data = values.data<const float>();
      spec.parameters.push_back(
          ir::Parameter::of(parameter, values.shape, std::vector<float>(data, data + values.elements())));
    }
    specs_.push_back(std::move(spec));
  }

  Graph build(const std::string& output) const { return Graph::from_specs(specs_, output); }

  ir::Shape shape_of(const std::string& name) const {
    const Graph graph = build(name);
    return graph.nodes()[static_cast<size_t>(graph.output())].shape;
  }

 private:
  std::vector<Graph::Spec> specs_;
};

pybind11::dict describe(const Graph& graph, const Node& node) {
  pybind11::dict result;
  std::vector<std::string> inputs;
  for (const int i : node.inputs) inputs.push_back(graph.nodes()[static_cast<size_t>(i)].name);
  pybind11::dict parameters, attributes;
  for (const ir::Parameter& p : node.parameters) parameters[pybind11::str(p.name)] = pybind11::cast(p.shape);
  for (const ir::Attribute& a : node.attributes) attributes[pybind11::str(a.name)] = pybind11::cast(a.value);
  result["name"] = node.name;
  result["op"] = node.op->name;
  result["inputs"] = inputs;
  result["attributes"] = attributes;
  result["parameters"] = parameters;
  result["shape"] = node.shape;
  return result;
}

pybind11::dict values_of(const Graph& graph, const std::string& name) {
  for (const Node& node : graph.nodes()) {
    if (node.name != name) continue;
    pybind11::dict found;
    for (const ir::Parameter& p : node.parameters) {
      const std::vector<float>& numbers = node.values(p.name);
      found[pybind11::str(p.name)] =
          pybind11::bytes(reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(float));
    }
    return found;
  }
  throw std::invalid_argument("values: the graph has no node " + name);
}

pybind11::dict op_rows() {
  pybind11::dict rows;
  for (const ir::Op& op : ir::op_table()) {
    pybind11::dict row;
    row["inputs"] = std::pair(op.inputs.least, op.inputs.most);
    row["required"] = op.required;
    row["optional"] = op.optional;
    row["attributes"] = op.attributes;
    row["lists"] = op.lists;
    row["operands"] = op.operands;
    rows[pybind11::str(op.name)] = row;
  }
  return rows;
}

}  // namespace

void bind_ir(pybind11::module_& m) {
  using pybind11::arg;
  m.def("op_table", op_rows, "The operations of the lowered graph: name to operands, parameters and attributes.");
  pybind11::class_<Graph>(m, "Graph", "A lowered graph: immutable, typed, in topological order.")
      .def_static("parse", &ir::parse, arg("text"), "Read the text form; raises ValueError with the line number.")
      .def("__str__", &ir::print)
      .def("__repr__", [](const Graph& g) { return "<chop graph of " + std::to_string(g.nodes().size()) + " nodes>"; })
      .def("__len__", [](const Graph& g) { return g.nodes().size(); })
      .def(
          "__eq__", [](const Graph& a, const Graph& b) { return a == b; }, pybind11::is_operator())
      .def_property_readonly(
          "nodes",
          [](const Graph& g) {
            pybind11::list nodes;
            for (const Node& node : g.nodes()) nodes.append(describe(g, node));
            return nodes;
          },
          "One dict a node: name, op, inputs, attributes, parameters (shapes), shape (-1: batch).")
      .def("values", &values_of, arg("node"),
           "The parameters of a node: name to float32 numbers as bytes, in C order; raises ValueError without values.")
      .def_property_readonly(
          "output", [](const Graph& g) { return g.nodes()[static_cast<size_t>(g.output())].name; },
          "Name of the node whose value the graph returns.");
  pybind11::class_<GraphBuilder>(m, "GraphBuilder", "Collects nodes in topological order; build() checks them.")
      .def(pybind11::init<>())
      .def("add", &GraphBuilder::add, arg("name"), arg("op"), arg("inputs"), arg("attributes"), arg("parameters"),
           arg("shape"))
      .def("shape_of", &GraphBuilder::shape_of, arg("name"), "Shape of a node added before (-1: batch).")
      .def("build", &GraphBuilder::build, arg("output"));
}

}  // namespace chop::bindings
