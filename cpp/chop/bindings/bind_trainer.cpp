#include <pybind11/stl.h>

#include <cmath>
#include <cstring>

#include "chop/bindings/bindings.h"
#include "chop/bindings/gil.h"
#include "chop/bindings/python_format.h"
#include "chop/bindings/tensor_view.h"
#include "chop/trainer/plan.h"
#include "chop/trainer/trainer.h"

namespace chop::bindings {
namespace {

using trainer::EpochScore;
using trainer::Options;
using trainer::Specification;
using trainer::State;
using trainer::Trainer;

// node: ({parameter: number}, number of the running statistics or -1, momentum, {operand: format},
// {operand: who shares a trained width})
using PyNode = std::tuple<std::map<std::string, int>, int, double, std::map<std::string, PyOperand>,
                          std::map<std::string, std::string>>;

Specification make_specification(std::vector<int64_t> sizes, int trained, std::vector<int> running,
                                 const std::map<std::string, PyNode>& nodes, const std::string& straight_through) {
  check(straight_through == "plain" || straight_through == "clipped",
        "training: straight_through must be plain or clipped, got '", straight_through, "'");
  Specification made{std::move(sizes), trained, std::move(running), {}, straight_through == "clipped"};
  for (const auto& [name, node] : nodes) {
    auto& spec = made.nodes[name];
    spec.parameters = std::get<0>(node);
    spec.running = std::get<1>(node);
    spec.momentum = std::get<2>(node);
    for (const auto& [operand, given] : std::get<3>(node)) {
      if (const auto* values = std::get_if<PyValueFormat>(&given)) {
        spec.values[operand] = to_bound(*values);
      } else if (const auto* one = std::get_if<OneFormat>(&given)) {
        spec.formats[operand] = {to_format(*one)};
      } else {
        spec.formats[operand] = to_formats(std::get<EachFormat>(given));
      }
    }
    for (const auto& [operand, sharing] : std::get<4>(node)) {
      check(sharing == "tensor" || sharing == "channel" || sharing == "element",
            "training: a trained width must be of a tensor, a channel or an element, got '", sharing, "'");
      check(spec.formats.count(operand) > 0, "training: node ", name, " has no format of ", operand);
      spec.learned[operand] = sharing;
    }
  }
  return made;
}

Options make_options(const std::string& optimizer, std::pair<double, double> betas, double eps, double momentum,
                     bool nesterov, double weight_decay, std::optional<double> clip, const std::string& clip_by) {
  return {optimizer, betas.first, betas.second, eps, momentum, nesterov, weight_decay, clip, clip_by};
}

// The trainer, with the name of its numbers' type.
struct Held {
  std::unique_ptr<Trainer> trainer;
  DType dtype;
};

std::unique_ptr<Held> make(const ir::Graph& graph, const Specification& specification, const Options& options,
                           const std::string& dtype, int threads) {
  check(dtype == "float32" || dtype == "float64", "training: dtype must be float32 or float64, got '", dtype, "'");
  const bool wide = dtype == "float64";
  return std::make_unique<Held>(
      Held{Trainer::make(graph, specification, options, wide, threads), wide ? DType::float64 : DType::float32});
}

struct Data {
  const void* x;
  const int64_t* y;
  int64_t rows;
};

Data data(const Held& self, pybind11::handle x, pybind11::handle y) {
  const TensorView rows = view(x, "x", self.dtype), labels = view(y, "y", DType::int64);
  check(rows.shape.size() >= 2 && labels.shape == std::vector<int64_t>{rows.shape[0]},
        "training: x must have the shape [rows, ...], and y one class index a row");
  const int64_t count = rows.shape[0], features = self.trainer->features();
  check(rows.elements() == count * features, "training: the model takes rows of ", features, " numbers, x has ",
        count ? rows.elements() / count : 0);
  return {rows.data<const void>(), labels.data<const int64_t>(), count};
}

void set_data(Held& self, pybind11::handle x, pybind11::handle y) {
  const Data given = data(self, x, y);
  const WithoutGil release;
  self.trainer->set_data(given.x, given.y, given.rows);
}

void set_targets(Held& self, pybind11::handle p) {
  const TensorView rows = view(p, "targets", self.dtype);
  check(rows.shape == std::vector<int64_t>{self.trainer->rows(), self.trainer->classes()},
        "training: targets must have the shape [", self.trainer->rows(), ", ", self.trainer->classes(), "]");
  const WithoutGil release;
  self.trainer->set_targets(rows.data<const void>());
}

pybind11::dict to_dict(const trainer::Score& score) {
  pybind11::dict result;
  result["loss"] = score.rows ? score.loss / static_cast<double>(score.rows) : 0.0;
  result["rows"] = score.rows;
  result["confusion"] = score.confusion;
  return result;
}

// Python's own signal handlers, which may raise.
void look_at_signals() {
  const WithGil acquire;
  if (PyErr_CheckSignals() != 0) throw pybind11::error_already_set();
}

pybind11::dict epoch(Held& self, int64_t batch_size, double learning_rate, pybind11::handle order, int64_t accumulate,
                     int64_t first_row, int64_t max_steps, std::vector<double> rates) {
  trainer::EpochCall call{batch_size, learning_rate, nullptr,         self.trainer->rows(), accumulate,
                          first_row,  max_steps,     look_at_signals, std::move(rates)};
  if (!order.is_none()) {
    const TensorView rows = view(order, "order", DType::int64);
    check(rows.shape.size() == 1, "training: order must have one dimension");
    call.order = rows.data<const int64_t>();
    call.count = rows.shape[0];
  }
  EpochScore score;
  {
    const WithoutGil release;
    score = self.trainer->epoch(call);
  }
  pybind11::dict result = to_dict(score);
  result["steps"] = score.losses.size();
  result["losses"] =
      pybind11::bytearray(reinterpret_cast<const char*>(score.losses.data()), score.losses.size() * sizeof(double));
  result["next_row"] = score.next_row;
  result["stopped"] = score.stopped;
  result["failed"] = score.failed;
  result["bad_loss"] = score.bad_loss;
  return result;
}

pybind11::dict evaluate(Held& self, pybind11::handle x, pybind11::handle y) {
  const Data given = data(self, x, y);
  trainer::Score score;
  {
    const WithoutGil release;
    score = self.trainer->evaluate(given.x, given.y, given.rows);
  }
  return to_dict(score);
}

State state_of(const std::string& name) {
  static const std::map<std::string, State> states{{"parameters", State::parameters},
                                                   {"gradients", State::gradients},
                                                   {"first", State::first},
                                                   {"second", State::second},
                                                   {"running", State::running},
                                                   {"widths", State::widths},
                                                   {"width_gradients", State::width_gradients},
                                                   {"width_first", State::width_first},
                                                   {"width_second", State::width_second}};
  const auto found = states.find(name);
  check(found != states.end(), "training: there is no state '", name, "'");
  return found->second;
}

size_t checked_bytes(const Held& self, const TensorView& tensor, State which) {
  check(tensor.elements() == self.trainer->state_size(which), "training: the state has ",
        self.trainer->state_size(which), " numbers, got ", tensor.elements());
  return static_cast<size_t>(tensor.elements()) * (self.dtype == DType::float64 ? 8 : 4);
}

void read(Held& self, const std::string& name, pybind11::handle tensor) {
  const TensorView to = view(tensor, "tensor", self.dtype);
  const State which = state_of(name);
  const auto lock = self.trainer->hold();
  if (const size_t bytes = checked_bytes(self, to, which))
    std::memcpy(to.data<void>(), self.trainer->state(which), bytes);
}

void write(Held& self, const std::string& name, pybind11::handle tensor) {
  const TensorView from = view(tensor, "tensor", self.dtype);
  const State which = state_of(name);
  const auto lock = self.trainer->hold();
  if (const size_t bytes = checked_bytes(self, from, which))
    std::memcpy(self.trainer->state(which), from.data<const void>(), bytes);
}

std::vector<int64_t> get_batches(const Held& self) {
  const auto lock = self.trainer->hold();
  return self.trainer->batches();
}

void set_batches(Held& self, const std::vector<int64_t>& batches) {
  const auto lock = self.trainer->hold();
  check(batches.size() == self.trainer->batches().size(), "training: one count for each pair of running statistics");
  self.trainer->batches() = batches;
}

int64_t get_updates(const Held& self) {
  const auto lock = self.trainer->hold();
  return self.trainer->updates();
}

void set_updates(Held& self, int64_t updates) {
  const auto lock = self.trainer->hold();
  check(updates >= 0, "training: updates must be at least 0, got ", updates);
  self.trainer->updates() = updates;
}

int64_t get_width_updates(const Held& self) {
  const auto lock = self.trainer->hold();
  return self.trainer->width_updates();
}

void set_width_updates(Held& self, int64_t updates) {
  const auto lock = self.trainer->hold();
  check(updates >= 0, "training: width_updates must be at least 0, got ", updates);
  self.trainer->width_updates() = updates;
}

bool get_skips_zeros(const Held& self) {
  const auto lock = self.trainer->hold();
  return self.trainer->skips_zeros();
}

void set_skips_zeros(Held& self, bool skips) {
  const auto lock = self.trainer->hold();
  self.trainer->skips_zeros() = skips;
}

void learn_widths(Held& self, double rate, double price) {
  const auto lock = self.trainer->hold();
  check(std::isfinite(rate) && rate >= 0 && std::isfinite(price) && price >= 0,
        "training: rate and price of widths must be at least 0, got ", rate, " and ", price);
  self.trainer->width_rate() = rate;
  self.trainer->bit_price() = price;
}

}  // namespace

void bind_trainer(pybind11::module_& m) {
  using pybind11::arg;
  pybind11::class_<Specification>(m, "TrainingSpecification", "Parameters and formats of the nodes of a graph.")
      .def(pybind11::init(&make_specification), arg("sizes"), arg("trained"), arg("running"), arg("nodes"),
           arg("straight_through"));
  pybind11::class_<Options>(m, "TrainingOptions", "The optimizer and the limits of gradients.")
      .def(pybind11::init(&make_options), arg("optimizer"), arg("betas"), arg("eps"), arg("momentum"), arg("nesterov"),
           arg("weight_decay"), arg("clip"), arg("clip_by"));
  m.def(
      "check_trainable", [](const ir::Graph& g, const Specification& s) { trainer::Plan::make(g, s); }, arg("graph"),
      arg("specification"), "Raise ValueError that names the node which the core cannot train.");
  pybind11::class_<Held>(m, "Trainer", "Trains a lowered graph; data and weights are resident.")
      .def(pybind11::init(&make), arg("graph"), arg("specification"), arg("options"), arg("dtype"), arg("threads"))
      .def("set_data", &set_data, arg("x"), arg("y"))
      .def("set_targets", &set_targets, arg("targets"))
      .def("epoch", &epoch, arg("batch_size"), arg("learning_rate"), arg("order"), arg("accumulate"), arg("first_row"),
           arg("max_steps"), arg("rates"))
      .def("evaluate", &evaluate, arg("x"), arg("y"))
      .def("stop", [](Held& self) { self.trainer->stop(); })
      .def(
          "progress", [](const Held& self) { return self.trainer->progress(); }, "(batches, sum of their losses)")
      .def("read", &read, arg("name"), arg("tensor"), "Copy a state into a tensor.")
      .def("write", &write, arg("name"), arg("tensor"), "Copy a tensor into a state.")
      .def_property("updates", &get_updates, &set_updates, "Updates of the weights so far.")
      .def_property("batches", &get_batches, &set_batches, "Batches that each pair of running statistics has seen.")
      .def("learn_widths", &learn_widths, arg("rate"), arg("price"), "Set the widths' rate and the price of a bit.")
      .def("bits", [](Held& self) { return self.trainer->bits(); })
      .def_property("skips_zeros", &get_skips_zeros, &set_skips_zeros, "Whether pruned weights cost no time.")
      .def_property("width_updates", &get_width_updates, &set_width_updates, "Updates of the widths so far.")
      .def_property_readonly(
          "width_numbers", [](const Held& self) { return self.trainer->state_size(State::widths); },
          "Numbers of a state of the widths.")
      .def_property_readonly("rows", [](const Held& self) { return self.trainer->rows(); })
      .def_property_readonly("classes", [](const Held& self) { return self.trainer->classes(); });
}

}  // namespace chop::bindings
