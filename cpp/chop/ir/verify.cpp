#include "chop/ir/verify.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "chop/core/check.h"

namespace chop::ir {
namespace {

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Names stand in the text form, so they are words.
bool is_word(const std::string& name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  return !name.empty() && letter(name[0]) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return letter(c) || digit(c) || c == '.'; });
}

void verify_parameters(const Node& node) {
  std::set<std::string> seen;
  for (const Parameter& p : node.parameters) {
    check(contains(node.op->required, p.name) || contains(node.op->optional, p.name), "node ", node.name, ": ",
          node.op->name, " takes no parameter ", p.name);
    check(seen.insert(p.name).second, "node ", node.name, ": parameter ", p.name, " is given twice");
    for (const int64_t size : p.shape)
      check(size >= 0, "node ", node.name, ": parameter ", p.name, " has a negative size");
  }
  for (const std::string& name : node.op->required)
    check(seen.count(name), "node ", node.name, ": ", node.op->name, " needs the parameter ", name);
}

void verify_attributes(const Node& node) {
  std::set<std::string> seen;
  for (const Attribute& a : node.attributes) {
    check(contains(node.op->attributes, a.name), "node ", node.name, ": ", node.op->name, " takes no attribute ",
          a.name);
    check(seen.insert(a.name).second, "node ", node.name, ": attribute ", a.name, " is given twice");
    check(std::isfinite(a.value), "node ", node.name, ": attribute ", a.name, " must be a finite number");
  }
  for (const std::string& name : node.op->attributes)
    check(seen.count(name), "node ", node.name, ": ", node.op->name, " needs the attribute ", name);
}

}  // namespace

void verify_structure(const std::vector<Node>& nodes, int output) {
  check(!nodes.empty(), "a graph needs at least one node");
  check(output >= 0 && output < static_cast<int>(nodes.size()), "the output is not a node of the graph");
  std::set<std::string> names;
  for (size_t i = 0; i < nodes.size(); ++i) {
    const Node& node = nodes[i];
    check(is_word(node.name), "'", node.name, "' is no name for a node: letters, digits, '_' and '.' are allowed");
    check(names.insert(node.name).second, "node ", node.name, " is defined twice");
    check(static_cast<int>(node.inputs.size()) == node.op->inputs, "node ", node.name, ": ", node.op->name, " reads ",
          node.op->inputs, " node(s), got ", node.inputs.size());
    for (const int input : node.inputs)
      check(input >= 0 && input < static_cast<int>(i), "node ", node.name, " reads a node that is not before it");
    verify_parameters(node);
    verify_attributes(node);
  }
}

}  // namespace chop::ir
