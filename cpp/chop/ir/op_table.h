// One row an operation: its operands, parameters, attributes and shape rule. The Python twin is compared by a test.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace chop::ir {

using Shape = std::vector<int64_t>;  // kBatch stands for the number of rows

inline constexpr int64_t kBatch = -1;

struct Node;

// How many nodes an operation reads.
struct Arity {
  int least, most;
  Arity(int exactly) : least(exactly), most(exactly) {}
  Arity(int at_least, int at_most) : least(at_least), most(at_most) {}
};

struct Op {
  std::string name;
  Arity inputs;
  std::vector<std::string> required;    // parameters that must be there
  std::vector<std::string> optional;    // parameters that may be
  std::vector<std::string> attributes;  // numbers; all of them must be there
  std::vector<std::string> lists;       // lists of whole numbers; likewise
  std::vector<std::string> operands;    // what a quantization config can give a format to
  Shape (*shape)(const Node& node, const std::vector<Shape>& inputs);
};

const std::vector<Op>& op_table();

// Throws with the known names.
const Op& find_op(const std::string& name);

std::string shape_text(const Shape& shape);  // "?x16"

}  // namespace chop::ir
