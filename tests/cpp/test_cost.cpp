// Cost models: figures by hand, a result as wide as its readers need it, parameters at the width of their readers.
#include <cmath>
#include <limits>

#include "chop/cost/costs.h"
#include "chop/cost/effective_bits.h"
#include "test.h"

namespace chop::cost {
namespace {

Operation operation(const std::string& name, std::vector<int> inputs, double elements, double work) {
  Operation o;
  o.name = name;
  o.inputs = std::move(inputs);
  o.output_elements = elements;
  o.work = work;
  return o;
}

Operation linear(const std::string& name, int input, double batch, double fan_in, double fan_out) {
  Operation o = operation(name, {input}, batch * fan_out, batch * fan_in * fan_out);
  o.products = {{batch * fan_in * fan_out, batch * fan_out, true, 0, batch * fan_out}};
  o.weights_used = fan_in * fan_out;
  o.is_layer = o.is_linear_layer = true;
  return o;
}

std::vector<Stored> parameters_of(int node, double weights, double biases) {
  return {{weights, {{node, Operand::weight}}}, {biases, {{node, Operand::bias}}}};
}

// Batch norm of 16, relu, linear 16 to 5, relu.
Costs tiny(double batch, const std::vector<std::string>& models) {
  Operation norm = operation("bn", {0}, 16 * batch, 64 * batch);
  norm.features = 16;
  std::vector<Stored> parameters = parameters_of(1, 16, 16);
  for (const Stored& each : parameters_of(3, 80, 5)) parameters.push_back(each);
  return Costs({operation("x", {}, 16 * batch, 0), norm, operation("act", {1}, 16 * batch, 16 * batch),
                linear("fc", 2, batch, 16, 5), operation("out", {3}, 5 * batch, 5 * batch)},
               {4}, parameters, models);
}

NodeWidths quantized(int node, double data_in, double weight, double bias) {
  const auto bits = [](double width) { return Bits{width, width - 1, width}; };
  return {node, {true, bits(data_in), bits(weight), bits(bias), std::nullopt, std::nullopt, weight, kFloatBits, 0}};
}

double total(const std::string& model, double batch, const Config& config = {}) {
  return tiny(batch, {model}).totals(config)[0];
}

TEST(figures_of_the_small_network) {
  const NodeWidths layer = quantized(3, 8, 8, 8);
  CHECK(total("flops", 8) == 1320 && total("bitops", 8) == 42240 && total("model_size", 8) == 468);
  CHECK(total("flops", 8, {&layer}) == 680 && total("bitops", 8, {&layer}) == 26880);
  CHECK(total("flops_arithmetic", 8, {&layer}) == 1833 && total("bitops_arithmetic", 8, {&layer}) == 79680);
  CHECK(total("flops_arithmetic", 512, {&layer}) == 117249 && total("bitops_arithmetic", 512, {&layer}) == 5099520);
  CHECK(total("flops_with_bias", 8) == 1360 && total("parameters", 1) == 117);
  CHECK(total("bops", 8, {&layer}) == 640 * (64 + 8 + 8 + 4));
  CHECK(total("ebops", 1, {&layer}) == 80 * 64 && total("ebops_hgq", 1, {&layer}) == 80 * 49);
  CHECK(total("ebops_hgq2", 1, {&layer}) == 80 * 64 + 5 * 8);
  const Figures flops = tiny(8, {"flops"}).figures({})[0];
  CHECK(flops.nodes == std::vector<double>({0, 512, 128, 640, 40}) && flops.total == 1320);
}

TEST(an_average_without_quantized_layers_is_that_of_floats) {
  CHECK(total("average_bitwidth", 1) == 32 && total("memory_density", 1) == 1);
  const NodeWidths layer = quantized(3, 8, 6, 8);
  CHECK(total("average_bitwidth", 1, {&layer}) == 6 && total("memory_density", 1, {&layer}) == 32.0 / 6);
  CHECK(total("average_bitwidth_mase", 1, {&layer}) == 6);
}

TEST(the_average_of_mase_leaves_out_what_is_not_linear) {
  Operation conv = linear("conv", 0, 1, 3, 4);
  conv.is_linear_layer = false;
  std::vector<Stored> parameters = parameters_of(1, 12, 4);
  for (const Stored& each : parameters_of(2, 20, 5)) parameters.push_back(each);
  const Costs costs({operation("x", {}, 3, 0), conv, linear("fc", 1, 1, 4, 5)}, {2}, parameters,
                    {"average_bitwidth", "average_bitwidth_mase"});
  const NodeWidths a = quantized(1, 8, 4, 8), b = quantized(2, 8, 8, 8);
  CHECK(costs.totals({&a, &b}) == std::vector<double>({(12 * 4 + 20 * 8) / 32.0, 8}));
}

TEST(a_result_is_as_wide_as_its_readers_need_it) {
  Operation flat = operation("flat", {0}, 0, 0);
  flat.is_view = true;
  const Costs costs({operation("x", {}, 4, 0), flat, linear("a", 1, 1, 4, 4), linear("b", 0, 1, 4, 4),
                     operation("sum", {2, 3}, 4, 4)},
                    {4}, {}, {"activation_memory"});
  const NodeWidths a = quantized(2, 4, 8, 8), b = quantized(3, 6, 8, 8);
  CHECK(costs.widths({})[0].result == 32);
  CHECK(costs.widths({&a})[0].result == 32 && costs.widths({&a})[1].result == 4);
  CHECK(costs.widths({&a, &b})[0].result == 6 && costs.widths({&a, &b})[4].result == 32);
  CHECK(costs.totals({&a, &b})[0] == 4 * (6 + 32 + 32 + 32) / 8.0);
}

TEST(a_shared_parameter_is_stored_once_at_the_largest_width) {
  const std::vector<Stored> parameters{{16, {{1, Operand::weight}, {2, Operand::weight}}}};
  const Costs costs({operation("x", {}, 4, 0), linear("a", 0, 1, 4, 4), linear("b", 1, 1, 4, 4)}, {2}, parameters,
                    {"parameters", "model_size", "average_bitwidth"});
  const NodeWidths a = quantized(1, 8, 8, 8), b = quantized(2, 8, 4, 8), c = quantized(2, 8, 12, 8);
  CHECK(costs.totals({}) == std::vector<double>({16, 64, 32}));
  CHECK(costs.totals({&a}) == std::vector<double>({16, 64, 8}));
  CHECK(costs.totals({&b}) == std::vector<double>({16, 64, 4}));
  CHECK(costs.totals({&a, &b}) == std::vector<double>({16, 16, 8}));
  CHECK(costs.totals({&a, &c}) == std::vector<double>({16, 24, 12}));
}

TEST(effective_bits_of_codes) {
  // Codes 6 (0b110), -8 (clamped, 0b1000), 0, 5 (0b101), and a NaN that keeps its width.
  const float weights[] = {3.0f, -9.0f, 0.1f, 2.5f, std::numeric_limits<float>::quiet_NaN()};
  CHECK(effective_weight_bits(weights, 5, make_fixed_point(4, 1, true)) == 2 + 1 + 0 + 3 + 4);
  // -9 is -18 steps, which wraps to -2; 0.1 is 0.2 steps, which rounds down to 0.
  const FixedPoint wrapping = make_fixed_point(4, 1, true, RoundingMode::floor, OverflowMode::wrap);
  CHECK(effective_weight_bits(weights, 5, wrapping) == 2 + 1 + 0 + 3 + 4);
}

TEST(what_is_not_known_counts_for_nothing_and_is_seen) {
  Operation unknown = operation("fft", {0}, 8, kUnknown);
  unknown.products = {{kUnknown, kUnknown, false, 0, 0}};
  std::vector<std::string> names;
  for (const auto& [name, model] : registry().members()) names.push_back(name);
  const std::vector<Figures> found =
      Costs({operation("x", {}, 4, 0), unknown, operation("act", {1}, 8, 8)}, {2}, {}, names).figures({});
  for (size_t i = 0; i < names.size(); ++i) {
    const bool shapes = registry().get(names[i]).reads_shapes && names[i] != "activation_memory";
    CHECK(!shapes || std::isnan(found[i].nodes[1]), names[i]);
    CHECK(found[i].total >= 0, names[i]);
  }
}

TEST(bad_arguments_are_refused) {
  CHECK_REFUSED("cost model 'flop' is not known; known: ", tiny(1, {"flop"}));
  const NodeWidths nowhere = quantized(9, 8, 8, 8);
  CHECK_REFUSED("there is no node 9", tiny(1, {"flops"}).totals({&nowhere}));
  CHECK_REFUSED("reads one that comes after it", Costs({operation("a", {1}, 1, 1)}, {0}, {}, {}));
  CHECK_REFUSED("there is no node 2", Costs({operation("a", {}, 1, 1)}, {2}, {}, {}));
}

}  // namespace
}  // namespace chop::cost
