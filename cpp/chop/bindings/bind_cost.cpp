#include <pybind11/stl.h>

#include "chop/bindings/bindings.h"
#include "chop/bindings/given.h"
#include "chop/bindings/rule_memo.h"
#include "chop/bindings/tensor_view.h"
#include "chop/bindings/typed.h"
#include "chop/cost/costs.h"
#include "chop/cost/effective_bits.h"

namespace chop::bindings {
namespace {

using cost::Config;
using cost::Costs;
using cost::NodeWidths;
using cost::Operation;
using WidthMemo = RuleMemo<NodeWidths>;
using PyConfig = std::vector<Given<const NodeWidths*>>;

Config to_config(const PyConfig& config) {
  Config result;
  for (const auto& node : config) result.push_back(node.held);
  return result;
}

using cost::Bits;
using cost::Operand;
using cost::Product;
using cost::Stored;
using PyBits = std::tuple<double, double, double>;
using PyJoint = std::tuple<double, std::optional<double>, std::optional<double>, double>;
using PyProduct = std::tuple<double, double, bool, double, double>;
using PyStored = std::pair<double, std::vector<std::pair<int, std::string>>>;

NodeWidths make_widths(int node, bool quantized, const PyBits& data_in, const PyBits& weight, const PyBits& bias,
                       std::optional<double> effective, std::optional<double> configured,
                       const std::optional<PyJoint>& joint) {
  const auto bits = [](const PyBits& b) { return Bits{std::get<0>(b), std::get<1>(b), std::get<2>(b)}; };
  cost::Widths widths{quantized, bits(data_in), bits(weight),     bits(bias), effective,
                      {},        configured,    cost::kFloatBits, 0};
  if (joint) widths.joint = {std::get<0>(*joint), std::get<1>(*joint), std::get<2>(*joint), std::get<3>(*joint)};
  return {node, std::move(widths)};
}

double effective_weight_bits(pybind11::handle weights, int width, int frac_width, bool is_signed,
                             const std::string& rounding, const std::string& overflow) {
  const TensorView found = view(weights, "weights", DType::float32);
  return cost::effective_weight_bits(
      found.data<const float>(), found.elements(),
      make_fixed_point(width, frac_width, is_signed, rounding_mode(rounding), overflow_mode(overflow)));
}

// (name, unit, definition, reads the weights' values, reads shapes) of every native model.
std::vector<std::tuple<std::string, std::string, std::string, bool, bool>> models() {
  std::vector<std::tuple<std::string, std::string, std::string, bool, bool>> rows;
  for (const auto& [name, model] : cost::registry().members())
    rows.emplace_back(name, model.unit, model.definition, model.reads_values, model.reads_shapes);
  return rows;
}

template <class T>
T field(const pybind11::dict& row, const char* name, const char* type) {
  return typed<T>(PyDict_GetItemString(row.ptr(), name), std::string("cost: the ") + name + " of an operation", type);
}

double number(const pybind11::dict& row, const char* name) { return field<double>(row, name, "a number"); }

Operation operation(const pybind11::dict& row) {
  Operation o;
  o.name = field<std::string>(row, "name", "a word");
  o.inputs = field<std::vector<int>>(row, "inputs", "a list of positions");
  o.output_elements = number(row, "output_elements");
  o.work = number(row, "work");
  o.features = number(row, "features");
  o.weights_used = number(row, "weights_used");
  for (const auto& [macs, outputs, biased, padded, hgq2_biases] :
       field<std::vector<PyProduct>>(row, "products", "a list of (macs, outputs, biased, padded, hgq2_biases)"))
    o.products.push_back({macs, outputs, biased, padded, hgq2_biases});
  const auto kind = field<std::string>(row, "kind", "a word");
  o.is_view = kind == "view";
  o.is_linear_layer = kind == "linear";
  o.is_layer = o.is_linear_layer || kind == "layer";
  o.multiplies_nodes = kind == "matrices";
  return o;
}

Stored stored(const PyStored& row) {
  Stored found{row.first, {}};
  for (const auto& [node, operand] : row.second)
    found.readers.push_back({node, operand == "bias"     ? Operand::bias
                                   : operand == "weight" ? Operand::weight
                                                         : Operand::data_in});
  return found;
}

std::shared_ptr<Costs> make_costs(const std::vector<pybind11::dict>& rows, std::vector<int> outputs,
                                  const std::vector<PyStored>& parameters, const std::vector<std::string>& models) {
  std::vector<Operation> operations;
  for (const pybind11::dict& row : rows) operations.push_back(operation(row));
  std::vector<Stored> tensors;
  for (const PyStored& row : parameters) tensors.push_back(stored(row));
  return std::make_shared<Costs>(std::move(operations), std::move(outputs), std::move(tensors), models);
}

// Totals by name, or None if a rule of the config is new to the memo.
class NamedTotals {
 public:
  NamedTotals(std::shared_ptr<const Costs> costs, const std::vector<std::string>& names) : costs_(std::move(costs)) {
    for (const std::string& name : names) names_.push_back(pybind11::str(name));
  }

  pybind11::object of_config(const WidthMemo& memo, pybind11::handle config) const {
    Config found;
    return memo.find(config, found) ? pybind11::object(of(found)) : pybind11::none();
  }

  pybind11::dict of(const Config& config) const {
    const std::vector<double> totals = costs_->totals(config);
    pybind11::dict result;
    for (size_t i = 0; i < names_.size(); ++i) result[names_[i]] = totals[i];
    return result;
  }

 private:
  std::shared_ptr<const Costs> costs_;
  std::vector<pybind11::str> names_;
};

}  // namespace

void bind_cost(pybind11::module_& m) {
  using pybind11::arg;
  m.def("cost_models", models, "(name, unit, definition, reads_values, reads_shapes) of every native cost model.");
  m.def("effective_weight_bits", &effective_weight_bits, arg("weights"), arg("width"), arg("frac_width"),
        arg("is_signed"), arg("rounding") = "half_even", arg("overflow") = "saturate",
        "Effective bits of a float32 tensor of weights, together.");
  pybind11::class_<NodeWidths>(m, "NodeWidths", "Bits of the operands of one node, named by its position.")
      .def(pybind11::init(&make_widths), arg("node"), arg("quantized"), arg("data_in"), arg("weight"), arg("bias"),
           arg("effective"), arg("configured"), arg("joint") = pybind11::none())
      .def_readonly("node", &NodeWidths::node)
      .def_property_readonly("quantized", [](const NodeWidths& w) { return w.widths.quantized; })
      .def_property_readonly("data_in", [](const NodeWidths& w) { return w.widths.data_in.width; })
      .def_property_readonly("weight", [](const NodeWidths& w) { return w.widths.weight.width; })
      .def_property_readonly("bias", [](const NodeWidths& w) { return w.widths.bias.width; });
  pybind11::class_<WidthMemo>(m, "WidthMemo",
                              "Widths that were decided for the rules of configs, found by their contents.")
      .def(pybind11::init<>())
      .def("remember", &WidthMemo::remember, arg("config"), arg("widths"), "widths: one list a rule, in their order.");
  pybind11::class_<NamedTotals>(m, "NamedTotals", "Totals of cost models by name.")
      .def(pybind11::init<std::shared_ptr<const Costs>, const std::vector<std::string>&>(), arg("costs").none(false),
           arg("names"))
      .def(
          "of", [](const NamedTotals& self, const PyConfig& widths) { return self.of(to_config(widths)); },
          arg("widths"))
      .def("of_config", &NamedTotals::of_config, arg("memo"), arg("config"), "None if a rule is new to the memo.");
  pybind11::class_<Costs, std::shared_ptr<Costs>>(m, "Costs", "Cost models of one graph at one batch size.")
      .def(pybind11::init(&make_costs), arg("operations"), arg("outputs"), arg("parameters"), arg("models"),
           "operations: name, inputs, output_elements, work, features, weights_used, kind, and products: (macs, "
           "outputs, biased, padded, hgq2_biases); parameters: (numbers, [(node, operand)]).")
      .def(
          "figures",
          [](const Costs& self, const PyConfig& config) {
            std::vector<std::pair<std::vector<double>, double>> rows;
            for (auto& found : self.figures(to_config(config))) rows.emplace_back(std::move(found.nodes), found.total);
            return rows;
          },
          arg("config"), "(one number a node, total) for each model; NaN where a model says nothing of a node.");
}

}  // namespace chop::bindings
