// The lowered graph: immutable once built, typed, in topological order. Made from an fx graph, never edited.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "chop/ir/op_table.h"

namespace chop::ir {

// A constant tensor of a node. The digest stands for the values in the text form.
struct Parameter {
  std::string name;
  Shape shape;
  std::shared_ptr<const std::vector<float>> values;  // null in a graph that was parsed from text
  uint64_t digest = 0;

  static Parameter of(std::string name, Shape shape, std::vector<float> values);
  bool operator==(const Parameter& other) const {
    return name == other.name && shape == other.shape && digest == other.digest;
  }
};

struct Attribute {
  std::string name;
  double value = 0.0;
  bool operator==(const Attribute&) const = default;
};

struct Node {
  std::string name;
  const Op* op = nullptr;
  std::vector<int> inputs;  // positions of earlier nodes
  std::vector<Attribute> attributes;
  std::vector<Parameter> parameters;
  Shape shape;  // filled in by shape inference

  bool operator==(const Node&) const = default;
  const Parameter* parameter(const std::string& wanted) const;        // null if the node has none of that name
  const std::vector<float>& values(const std::string& wanted) const;  // throws if absent or without values
  double attribute(const std::string& wanted) const;
};

class Graph {
 public:
  // Infers the shapes and verifies; throws std::invalid_argument that names the node.
  Graph(std::vector<Node> nodes, int output);

  const std::vector<Node>& nodes() const { return nodes_; }
  int output() const { return output_; }
  bool operator==(const Graph&) const = default;

  // What must be known of a node to make one: names of the nodes it reads instead of positions.
  struct Spec {
    std::string name;
    std::string op;
    std::vector<std::string> inputs;
    std::vector<Attribute> attributes;
    std::vector<Parameter> parameters;
    Shape shape;  // only for an input
  };
  static Graph from_specs(const std::vector<Spec>& specs, const std::string& output);

 private:
  std::vector<Node> nodes_;
  int output_;
};

}  // namespace chop::ir
