#include <pybind11/stl.h>

#include "chop/bindings/bindings.h"
#include "chop/bindings/gil.h"
#include "chop/bindings/metric_values.h"
#include "chop/bindings/tensor_view.h"
#include "chop/evaluator/metrics/score.h"

namespace chop::bindings {
namespace {

using evaluator::MetricOption;
using evaluator::MetricSpec;
using evaluator::MetricValue;

// Every metric can be made for one row of one class.
evaluator::Needs needs_of(const evaluator::MetricMember& member) {
  evaluator::MetricOptions options;
  for (const MetricOption& option : member.options) options[option.name] = option.standard.value_or(option.least);
  return member.make(options, {1, 1, {1}})->needs();
}

pybind11::list members() {
  pybind11::list result;
  for (const auto& [name, member] : evaluator::metrics().members()) {
    pybind11::list options;
    for (const MetricOption& o : member.options)
      options.append(pybind11::make_tuple(o.name, o.standard, o.least, o.at_most_classes, o.meaning));
    const evaluator::Needs needs = needs_of(member);
    result.append(pybind11::make_tuple(name, member.unit, member.direction, member.definition,
                                       pybind11::make_tuple(needs.labels, needs.reference), options));
  }
  return result;
}

pybind11::list score(pybind11::handle logits, const pybind11::object& labels, const pybind11::object& reference,
                     const std::vector<PyMetricSpec>& specs, int threads) {
  const TensorView z = view(logits, "logits", DType::float32);
  check(z.shape.size() == 2, "logits must have two dimensions (rows, classes)");
  evaluator::Outputs outputs{z.data<const float>(), nullptr, nullptr, z.shape[0], z.shape[1]};
  std::vector<int64_t> own;  // other threads may write to the tensor
  if (!labels.is_none()) {
    const TensorView y = view(labels, "y", DType::int64);
    check(y.shape == std::vector<int64_t>{z.shape[0]}, "y must hold one class index for each row of the logits");
    own.assign(y.data<const int64_t>(), y.data<const int64_t>() + z.shape[0]);
    outputs.labels = own.data();
  }
  if (!reference.is_none()) {
    const TensorView r = view(reference, "reference", DType::float32);
    check(r.shape == z.shape, "reference must have the shape of the logits");
    outputs.reference = r.data<const float>();
  }
  const std::vector<MetricSpec> converted = to_metric_specs(specs);
  std::vector<MetricValue> found;
  {
    const WithoutGil release;
    found = evaluator::score(outputs, converted, threads);
  }
  return to_metric_values(found);
}

}  // namespace

std::vector<MetricSpec> to_metric_specs(const std::vector<PyMetricSpec>& specs) {
  std::vector<MetricSpec> result;
  for (const auto& [name, options] : specs) result.push_back({name, options});
  return result;
}

pybind11::list to_metric_values(const std::vector<MetricValue>& values) {
  pybind11::list result;
  for (const MetricValue& value : values) {
    if (value.shape.empty()) {
      result.append(value.numbers.front());
      continue;
    }
    const auto* bytes = reinterpret_cast<const char*>(value.numbers.data());
    result.append(pybind11::make_tuple(pybind11::bytearray(bytes, value.numbers.size() * sizeof(double)), value.shape,
                                       value.integral));
  }
  return result;
}

void bind_metrics(pybind11::module_& m) {
  using pybind11::arg;
  m.def("metrics", members,
        "(name, unit, direction, definition, (needs labels, needs a reference), options) of every native metric; an "
        "option is (name, standard value or "
        "None, least value, whether the number of classes bounds it, meaning).");
  m.def("score", &score, arg("logits"), arg("labels"), arg("reference"), arg("specs"), arg("threads"),
        "Of each metric a number, or (float64 bytes, shape, whether they are counts): logits float32 (rows, classes), "
        "labels int64 "
        "(rows) or None, reference float32 like the logits or None, specs ((name, {option: number}), ...).");
}

}  // namespace chop::bindings
