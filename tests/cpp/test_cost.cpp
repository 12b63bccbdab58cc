// Cost models: figures by hand, every operation counted, a result as wide as its readers need it.
#include <limits>
#include <map>

#include "chop/cost/costs.h"
#include "chop/cost/ebops.h"
#include "chop/cost/work.h"
#include "graphs.h"
#include "test.h"

namespace chop::cost {
namespace {

using ir::kBatch;
using testing::linear;
using testing::normalized;

ir::Graph tiny() {
  return ir::Graph::from_specs({{"x", "input", {}, {}, {}, {kBatch, 16}},
                                normalized("bn", "x", 16),
                                {"act", "relu", {"bn"}, {}, {}, {}},
                                linear("fc", "act", 16, 5),
                                {"out", "relu", {"fc"}, {}, {}, {}}},
                               "out");
}

NodeWidths quantized(int node, double data_in, double weight, double bias) {
  return {node, {true, data_in, weight, bias, std::nullopt, weight, kFloatBits}};
}

double total(const std::string& model, int64_t batch, const Config& config = {}) {
  return Costs(tiny(), batch, {model}, {}).totals(config)[0];
}

TEST(figures_of_the_small_network) {
  const NodeWidths layer = quantized(3, 8, 8, 8);
  CHECK(total("flops", 8) == 1320 && total("bitops", 8) == 42240 && total("model_size", 8) == 468);
  CHECK(total("flops", 8, {&layer}) == 680 && total("bitops", 8, {&layer}) == 26880);
  CHECK(total("flops_arithmetic", 8, {&layer}) == 1833 && total("bitops_arithmetic", 8, {&layer}) == 79680);
  CHECK(total("flops_arithmetic", 512, {&layer}) == 117249 && total("bitops_arithmetic", 512, {&layer}) == 5099520);
  CHECK(total("flops_with_bias", 8) == 1360);
  const Figures flops = Costs(tiny(), 8, {"flops"}, {}).figures({})[0];
  CHECK(flops.nodes == std::vector<double>({0, 512, 128, 640, 40}) && flops.total == 1320);
}

TEST(an_average_without_quantized_layers_is_that_of_floats) {
  CHECK(total("average_bitwidth", 1) == 32 && total("memory_density", 1) == 1);
  const NodeWidths layer = quantized(3, 8, 6, 8);
  CHECK(total("average_bitwidth", 1, {&layer}) == 6 && total("memory_density", 1, {&layer}) == 32.0 / 6);
}

TEST(a_result_is_as_wide_as_its_readers_need_it) {
  const Costs costs(ir::Graph::from_specs({{"x", "input", {}, {}, {}, {kBatch, 4}},
                                           {"flat", "identity", {"x"}, {}, {}, {}},
                                           linear("a", "flat", 4, 4),
                                           linear("b", "x", 4, 4),
                                           {"sum", "add", {"a", "b"}, {}, {}, {}}},
                                          "sum"),
                    1, {"activation_memory"}, {});
  const NodeWidths a = quantized(2, 4, 8, 8), b = quantized(3, 6, 8, 8);
  CHECK(costs.widths({})[0].result == 32);
  CHECK(costs.widths({&a})[0].result == 32 && costs.widths({&a})[1].result == 4);
  CHECK(costs.widths({&a, &b})[0].result == 6 && costs.widths({&a, &b})[4].result == 32);
  CHECK(costs.totals({&a, &b})[0] == 4 * (6 + 32 + 32 + 32) / 8.0);
}

TEST(parameters_of_another_node_are_not_counted_again) {
  CHECK(Costs(tiny(), 1, {"parameters"}, {}).totals({})[0] == 117);
  CHECK(Costs(tiny(), 1, {"parameters"}, {{"fc", "weight"}}).totals({})[0] == 37);
}

TEST(effective_bits_of_codes) {
  // Codes 6 (0b110), -8 (clamped, 0b1000), 0, 5 (0b101), and a NaN that keeps its width.
  const ir::Graph graph = ir::Graph::from_specs(
      {{"x", "input", {}, {}, {}, {kBatch, 5}},
       {"fc",
        "linear",
        {"x"},
        {},
        {ir::Parameter::of("weight", {1, 5}, {3.0f, -9.0f, 0.1f, 2.5f, std::numeric_limits<float>::quiet_NaN()})},
        {}}},
      "fc");
  CHECK(effective_weight_bits(graph.nodes()[1], make_fixed_point(4, 1, true)) == 2 + 1 + 0 + 3 + 4);
  // -9 is -18 steps, which wraps to -2; 0.1 is 0.2 steps, which rounds down to 0.
  const FixedPoint wrapping = make_fixed_point(4, 1, true, RoundingMode::floor, OverflowMode::wrap);
  CHECK(effective_weight_bits(graph.nodes()[1], wrapping) == 2 + 1 + 0 + 3 + 4);
}

TEST(every_operation_is_counted_by_every_model) {
  const std::map<std::string, ir::List> lists{{"dims", {0, 1, 2}},  {"shape", {-1, 3, 3}}, {"size", {-1, 3, 3}},
                                              {"start", {0, 0, 0}}, {"step", {1, 1, 1}},   {"before", {0, 0, 0}},
                                              {"after", {0, 0, 0}}};
  for (const ir::Op& op : ir::op_table()) {
    if (op.name.find("pool") != std::string::npos || !op.required.empty() || op.name == "input") continue;
    if (op.name == "opaque") continue;  // only the evaluator makes it
    ir::Graph::Spec node{"op", op.name, {}, {}, {}, {}};
    for (int i = 0; i < op.inputs.least; ++i) node.inputs.push_back("x");
    for (const std::string& name : op.attributes) node.attributes.push_back({name, 1.0});
    for (const std::string& name : op.lists)
      node.attributes.push_back({name, lists.count(name) ? lists.at(name) : ir::List{3}});
    const ir::Graph graph = ir::Graph::from_specs({{"x", "input", {}, {}, {}, {kBatch, 3, 3}}, node}, "op");
    for (const auto& [name, model] : registry().members()) {
      const double value = Costs(graph, 2, {name}, {}).totals({})[0];
      CHECK(value == value && value >= 0, op.name, " ", name);
    }
  }
}

TEST(bad_arguments_are_refused) {
  CHECK_REFUSED("cost model 'flop' is not known; known: ", Costs(tiny(), 1, {"flop"}, {}));
  CHECK_REFUSED("batch must be 1 or more, got -1", Costs(tiny(), -1, {"flops"}, {}));
  const NodeWidths nowhere = quantized(9, 8, 8, 8);
  CHECK_REFUSED("there is no node 9", Costs(tiny(), 1, {"flops"}, {}).totals({&nowhere}));
}

}  // namespace
}  // namespace chop::cost
