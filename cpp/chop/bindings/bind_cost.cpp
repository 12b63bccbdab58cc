#include <pybind11/stl.h>

#include "chop/bindings/bindings.h"
#include "chop/bindings/rule_memo.h"
#include "chop/cost/costs.h"
#include "chop/cost/ebops.h"

namespace chop::bindings {
namespace {

using cost::Config;
using cost::Costs;
using cost::NodeWidths;
using cost::Operation;
using WidthMemo = RuleMemo<NodeWidths>;

NodeWidths make_widths(int node, bool quantized, double data_in, double weight, double bias,
                       std::optional<double> effective, std::optional<double> configured) {
  return {node, {quantized, data_in, weight, bias, effective, configured, cost::kFloatBits}};
}

double effective_weight_bits(const Costs& self, size_t node, int width, int frac_width, bool is_signed,
                             const std::string& rounding, const std::string& overflow) {
  check(node < self.operations().size(), "cost: there is no node ", node);
  return cost::effective_weight_bits(
      *self.operations()[node].node,
      make_fixed_point(width, frac_width, is_signed, rounding_mode(rounding), overflow_mode(overflow)));
}

// (name, unit, definition, reads the weights' values) of every native model.
std::vector<std::tuple<std::string, std::string, std::string, bool>> models() {
  std::vector<std::tuple<std::string, std::string, std::string, bool>> rows;
  for (const auto& [name, model] : cost::registry().members())
    rows.emplace_back(name, model.unit, model.definition, model.reads_values);
  return rows;
}

pybind11::list operations(const Costs& self) {
  pybind11::list rows;
  for (const Operation& o : self.operations()) {
    pybind11::dict row, parameters, attributes;
    for (const ir::Parameter& p : o.node->parameters) parameters[pybind11::str(p.name)] = pybind11::cast(p.shape);
    for (const ir::Attribute& a : o.node->attributes) attributes[pybind11::str(a.name)] = pybind11::cast(a.value);
    row["name"] = o.node->name;
    row["op"] = o.node->op->name;
    row["inputs"] = o.inputs;
    row["output"] = o.output;
    row["parameters"] = parameters;
    row["attributes"] = attributes;
    row["work"] = o.work;
    row["macs"] = o.macs;
    rows.append(row);
  }
  return rows;
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
  m.def("cost_models", models, "(name, unit, definition, reads_values) of every native cost model.");
  pybind11::class_<NodeWidths>(m, "NodeWidths", "Bits of the operands of one node, named by its position.")
      .def(pybind11::init(&make_widths), arg("node"), arg("quantized"), arg("data_in"), arg("weight"), arg("bias"),
           arg("effective"), arg("configured"))
      .def_readonly("node", &NodeWidths::node)
      .def_property_readonly("quantized", [](const NodeWidths& w) { return w.widths.quantized; })
      .def_property_readonly("data_in", [](const NodeWidths& w) { return w.widths.data_in; })
      .def_property_readonly("weight", [](const NodeWidths& w) { return w.widths.weight; })
      .def_property_readonly("bias", [](const NodeWidths& w) { return w.widths.bias; });
  pybind11::class_<WidthMemo>(m, "WidthMemo",
                              "Widths that were decided for the rules of configs, found by their contents.")
      .def(pybind11::init<>())
      .def("remember", &WidthMemo::remember, arg("config"), arg("widths"), "widths: one list a rule, in their order.");
  pybind11::class_<NamedTotals>(m, "NamedTotals", "Totals of cost models by name.")
      .def(pybind11::init<std::shared_ptr<const Costs>, const std::vector<std::string>&>(), arg("costs"), arg("names"))
      .def("of", &NamedTotals::of, arg("widths"))
      .def("of_config", &NamedTotals::of_config, arg("memo"), arg("config"), "None if a rule is new to the memo.");
  pybind11::class_<Costs, std::shared_ptr<Costs>>(m, "Costs", "Cost models of one graph at one batch size.")
      .def(pybind11::init<ir::Graph, int64_t, const std::vector<std::string>&,
                          const std::set<std::pair<std::string, std::string>>&>(),
           arg("graph"), arg("batch"), arg("models"), arg("repeated"))
      .def("effective_weight_bits", &effective_weight_bits, arg("node"), arg("width"), arg("frac_width"),
           arg("is_signed"), arg("rounding") = "half_even", arg("overflow") = "saturate",
           "Effective bits of the weights of a node, together.")
      .def(
          "figures",
          [](const Costs& self, const Config& config) {
            std::vector<std::pair<std::vector<double>, double>> rows;
            for (auto& found : self.figures(config)) rows.emplace_back(std::move(found.nodes), found.total);
            return rows;
          },
          arg("config"), "(one number a node, total) for each model; NaN where a model says nothing of a node.")
      .def_property_readonly("operations", &operations, "One dict a node: name, op, shapes, work, macs.");
}

}  // namespace chop::bindings
