#include <pybind11/stl.h>

#include "chop/bindings/bindings.h"
#include "chop/bindings/tensor_view.h"
#include "chop/core/cpu_isa.h"
#include "chop/kernels/grid.h"
#include "chop/quantizers/quantizer.h"
#include "chop/quantizers/value_format.h"

namespace chop::bindings {
namespace {

std::vector<std::string> isa_names() {
  std::vector<std::string> names;
  for (const Isa isa : available_isas()) names.emplace_back(isa_name(isa));
  return names;
}

const KernelTable& table_of(const std::string& isa) {
  return isa == "reference" ? reference_kernels : kernels(choose_isa(isa));
}

// For tests that compare instruction sets: the quantizer on one of them.
void fake_quantize(pybind11::handle x, pybind11::handle y, int64_t width, int64_t frac_width, bool is_signed,
                   const std::string& isa, const std::string& rounding, const std::string& overflow) {
  const FixedPoint f = make_fixed_point(width, frac_width, is_signed, rounding_mode(rounding), overflow_mode(overflow));
  const TensorView from = view_floats(x, "x"), to = view(y, "y", from.dtype);
  const auto run = [&](auto zero, auto kernel, auto grid) {
    using T = decltype(zero);
    check(from.shape == to.shape, "x and y must have the same shape");
    kernel(from.data<T>(), to.data<T>(), from.elements(), grid);
  };
  if (from.dtype == DType::float64) {
    run(0.0, table_of(isa).fake_quantize_f64, grid_of<GridF64>(f));
  } else {
    run(0.0f, table_of(isa).fake_quantize_f32, grid_of<GridF32>(f));
  }
}

std::vector<std::string> quantizer_names() {
  std::vector<std::string> names;
  for (const auto& entry : quantizers::registry().members()) names.push_back(entry.first);
  return names;
}

std::vector<std::string> value_format_names() {
  std::vector<std::string> names;
  for (const auto& entry : quantizers::value_formats().members()) names.push_back(entry.first);
  return names;
}

const quantizers::ValueFormat& format_of(const std::string& name, const std::vector<double>& numbers) {
  const quantizers::ValueFormat& format = quantizers::value_formats().get(name);
  quantizers::check_numbers(format, numbers.size());
  return format;
}

const char* kind_name(RuleKind kind) {
  switch (kind) {
    case RuleKind::significant: return "significant";
    case RuleKind::power_of_two: return "power_of_two";
    case RuleKind::steps: return "steps";
    case RuleKind::scaled: return "scaled";
    case RuleKind::two_values: return "two_values";
    case RuleKind::three_values: break;
  }
  return "three_values";
}

// For float32 numbers, and nothing known of a block.
pybind11::dict number_rule(const std::string& name, const std::vector<double>& numbers) {
  using pybind11::arg;
  const NumberRule rule = format_of(name, numbers).rule(numbers.data(), {}, quantizers::kFloat32);
  return pybind11::dict(arg("kind") = kind_name(rule.kind), arg("bits") = rule.bits, arg("lowest") = rule.lowest,
                        arg("largest") = rule.largest, arg("step") = rule.step, arg("low") = rule.low,
                        arg("high") = rule.high, arg("threshold") = rule.threshold);
}

std::optional<std::pair<int, double>> number_grid(const std::string& name, const std::vector<double>& numbers) {
  const quantizers::ValueFormat& format = format_of(name, numbers);
  const auto grid = format.grid ? format.grid(numbers.data()) : std::nullopt;
  return grid ? std::optional(std::pair(grid->step, grid->largest)) : std::nullopt;
}

}  // namespace

void bind_core(pybind11::module_& m) {
  using pybind11::arg;
  m.def(
      "active_isa", [] { return std::string(isa_name(active_isa())); },
      "Name of the instruction set that the kernels use.");
  m.def("available_isas", isa_names, "Instruction sets that were built and that this processor runs, slowest first.");
  m.def("value_formats", value_format_names, "Names of the number formats beside the fixed-point grids.");
  m.def("number_rule", number_rule, arg("name"), arg("numbers"),
        "How a number format brings float32 numbers to its values, of which each stands for itself: see NumberRule.");
  m.def("number_grid", number_grid, arg("name"), arg("numbers"),
        "(step, largest): its values are multiples of 2**step with such magnitudes; None: they lie on no known grid.");
  m.def("quantizers", quantizer_names, "Names of the quantizers with a native twin.");
  m.def("fake_quantize", fake_quantize, arg("x"), arg("y"), arg("width"), arg("frac_width"), arg("is_signed"),
        arg("isa"), arg("rounding") = "half_even", arg("overflow") = "saturate",
        "Write the fixed-point values of x to y with the kernels of one instruction set or 'reference'.");
}

}  // namespace chop::bindings
