#include "chop/ir/graph.h"

#include <cstring>
#include <map>

#include "chop/core/check.h"
#include "chop/ir/shape_inference.h"
#include "chop/ir/verify.h"

namespace chop::ir {
namespace {

// FNV-1a over the bytes: enough to tell one set of weights from another, no defence against forgery.
uint64_t digest_of(const std::vector<float>& values) {
  uint64_t hash = 14695981039346656037ull;
  for (const float value : values) {
    unsigned char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    for (const unsigned char byte : bytes) hash = (hash ^ byte) * 1099511628211ull;
  }
  return hash;
}

int64_t element_count(const Shape& shape) {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  return count;
}

}  // namespace

Parameter Parameter::of(std::string name, Shape shape, std::vector<float> values) {
  check(element_count(shape) == static_cast<int64_t>(values.size()), "parameter ", name, ": shape ", shape_text(shape),
        " does not fit ", values.size(), " values");
  const uint64_t digest = digest_of(values);
  return {std::move(name), std::move(shape), std::make_shared<const std::vector<float>>(std::move(values)), digest};
}

const Parameter* Node::parameter(const std::string& wanted) const {
  for (const Parameter& p : parameters)
    if (p.name == wanted) return &p;
  return nullptr;
}

const std::vector<float>& Node::values(const std::string& wanted) const {
  const Parameter* p = parameter(wanted);
  check(p, "node ", name, " has no parameter ", wanted);
  check(p->values != nullptr, "node ", name, ": ", wanted,
        " has no values: a graph read from text holds only their digests");
  return *p->values;
}

double Node::attribute(const std::string& wanted) const {
  for (const Attribute& a : attributes)
    if (a.name == wanted) return a.value;
  fail("node ", name, " has no attribute ", wanted);
}

Graph::Graph(std::vector<Node> nodes, int output) : nodes_(std::move(nodes)), output_(output) {
  verify_structure(nodes_, output_);
  infer_shapes(nodes_);
}

Graph Graph::from_specs(const std::vector<Spec>& specs, const std::string& output) {
  std::map<std::string, int> position;
  const auto find = [&](const std::string& name, const std::string& reader) {
    const auto found = position.find(name);
    check(found != position.end(), reader, " reads '", name, "', which no earlier node defines");
    return found->second;
  };
  std::vector<Node> nodes;
  for (const Spec& spec : specs) {
    Node node{spec.name, &find_op(spec.op), {}, spec.attributes, spec.parameters, spec.shape};
    for (const std::string& input : spec.inputs) node.inputs.push_back(find(input, "node " + spec.name));
    check(position.emplace(spec.name, static_cast<int>(nodes.size())).second, "node ", spec.name, " is defined twice");
    nodes.push_back(std::move(node));
  }
  return Graph(std::move(nodes), find(output, "the output"));
}

}  // namespace chop::ir
