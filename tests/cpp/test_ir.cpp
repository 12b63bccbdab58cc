// The graph: what it refuses, and shapes.
#include <limits>

#include "chop/ir/graph.h"
#include "graphs.h"
#include "test.h"

namespace chop::ir {
namespace {

using testing::linear;
using testing::normalized;
using Specs = std::vector<Graph::Spec>;

Graph::Spec input(Shape shape) { return {"x", "input", {}, {}, {}, std::move(shape)}; }
Graph::Spec relu(const std::string& name, const std::string& from) { return {name, "relu", {from}, {}, {}, {}}; }

TEST(shapes_are_inferred) {
  const Graph graph = Graph::from_specs(
      {input({kBatch, 4}), normalized("bn", "x", 4), relu("act", "bn"), linear("fc", "act", 4, 3)}, "fc");
  CHECK(graph.nodes().size() == 4 && graph.output() == 3);
  CHECK(shape_text(graph.nodes()[1].shape) == "?x4" && shape_text(graph.nodes()[3].shape) == "?x3");
  const Graph deep = Graph::from_specs({input({kBatch, 7, 4}), linear("fc", "x", 4, 3)}, "fc");
  CHECK(shape_text(deep.nodes()[1].shape) == "?x7x3");
  CHECK(shape_text({}) == "scalar");
}

TEST(structure_is_verified) {
  const Shape wide{kBatch, 4};
  CHECK_REFUSED("at least one node", Graph({}, 0));
  CHECK_REFUSED("not a node of the graph", Graph({{"x", &find_op("input"), {}, {}, {}, wide}}, 1));
  CHECK_REFUSED("not a node of the graph", Graph({{"x", &find_op("input"), {}, {}, {}, wide}}, -1));
  CHECK_REFUSED("node act reads a node that is not before it",
                Graph({{"x", &find_op("input"), {}, {}, {}, wide}, {"act", &find_op("relu"), {1}, {}, {}, {}}}, 1));
  CHECK_REFUSED("operation 'relv' is not known; known: ",
                Graph::from_specs({input(wide), {"act", "relv", {"x"}, {}, {}, {}}}, "act"));
  CHECK_REFUSED("node act reads 'y', which no earlier node defines",
                Graph::from_specs({input(wide), relu("act", "y")}, "act"));
  CHECK_REFUSED("node act reads 'act'", Graph::from_specs({input(wide), relu("act", "act")}, "act"));
  CHECK_REFUSED("the output reads 'nothing'", Graph::from_specs({input(wide)}, "nothing"));
  CHECK_REFUSED("node x is defined twice", Graph::from_specs({input(wide), input(wide)}, "x"));
  CHECK_REFUSED("relu reads 1 node(s), got 0", Graph::from_specs({{"act", "relu", {}, {}, {}, {}}}, "act"));
  CHECK_REFUSED("relu reads 1 node(s), got 2",
                Graph::from_specs({input(wide), {"act", "relu", {"x", "x"}, {}, {}, {}}}, "act"));
  for (const char* name : {"", "two words", "1st", "a-b", "ä", "line\nbreak"})
    CHECK_REFUSED("is no name for a node", Graph::from_specs({{name, "input", {}, {}, {}, wide}}, name));
}

TEST(parameters_are_verified) {
  const Specs start{input({kBatch, 4})};
  const auto with = [&](Graph::Spec spec) {
    Specs specs = start;
    specs.push_back(std::move(spec));
    const std::string name = specs.back().name;
    return Graph::from_specs(specs, name);
  };
  Graph::Spec fc = linear("fc", "x", 4, 3);
  fc.parameters.erase(fc.parameters.begin());
  CHECK_REFUSED("node fc: linear needs the parameter weight", with(fc));
  fc = linear("fc", "x", 4, 3);
  fc.parameters.push_back(fc.parameters[0]);
  CHECK_REFUSED("parameter weight is given twice", with(fc));
  fc = linear("fc", "x", 4, 3);
  fc.parameters[1].name = "bais";
  CHECK_REFUSED("linear takes no parameter bais", with(fc));
  fc = linear("fc", "x", 4, 3);
  fc.attributes = {{"eps", 1.0}};
  CHECK_REFUSED("linear takes no attribute eps", with(fc));
  fc = linear("fc", "x", 4, 3);
  fc.parameters[1] = Parameter::of("bias", {2}, {0.0f, 0.0f});
  CHECK_REFUSED("its bias has 2", with(fc));
  CHECK_REFUSED("linear takes 5 features, its input has ?x4", with(linear("fc", "x", 5, 3)));
  fc.parameters[0] = Parameter::of("weight", {12}, std::vector<float>(12));
  CHECK_REFUSED("weight of two dimensions", with(fc));
  Graph::Spec bn = normalized("bn", "x", 4);
  bn.attributes.clear();
  CHECK_REFUSED("batch_norm1d needs the attribute eps", with(bn));
  bn.attributes = {{"eps", 1e-5}, {"eps", 1e-5}};
  CHECK_REFUSED("attribute eps is given twice", with(bn));
  CHECK_REFUSED("batch_norm1d has 4 features", with(normalized("bn", "x", 5)));
  CHECK_REFUSED("two or three dimensions",
                Graph::from_specs({input({kBatch, 4, 2, 2}), normalized("bn", "x", 4)}, "bn"));
}

TEST(inputs_need_a_batch) {
  CHECK_REFUSED("first dimension is the batch", Graph::from_specs({input({})}, "x"));
  CHECK_REFUSED("first dimension is the batch", Graph::from_specs({input({4, 4})}, "x"));
}

TEST(parameters_carry_values_and_a_digest) {
  const Parameter a = Parameter::of("weight", {2, 2}, {1, 2, 3, 4});
  const Parameter b = Parameter::of("weight", {2, 2}, {1, 2, 3, 4.0001f});
  CHECK(a == Parameter::of("weight", {2, 2}, {1, 2, 3, 4}));
  CHECK(!(a == b) && a.digest != b.digest);
  CHECK_REFUSED("parameter weight: shape 2x2 does not fit 3 values", Parameter::of("weight", {2, 2}, {1, 2, 3}));
  const Graph graph = Graph::from_specs({input({kBatch, 4}), linear("fc", "x", 4, 3)}, "fc");
  const Node& fc = graph.nodes()[1];
  CHECK(fc.values("weight").size() == 12 && fc.parameter("nothing") == nullptr);
  CHECK_REFUSED("node fc has no parameter nothing", fc.values("nothing"));
  CHECK_REFUSED("node fc has no attribute eps", fc.attribute("eps"));
}

}  // namespace
}  // namespace chop::ir
