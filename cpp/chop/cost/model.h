// A cost model: a named number with a unit and a definition in words, computed from stored shapes and operand widths.
// A new one is one file that registers itself.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "chop/core/registry.h"
#include "chop/ir/graph.h"

namespace chop::cost {

inline constexpr double kFloatBits = 32.0;

// One node of the graph with the batch filled in, and what any model may ask of it. Counts are exact up to 2^53.
struct Operation {
  const ir::Node* node = nullptr;
  std::vector<ir::Shape> inputs;
  ir::Shape output;
  double input_elements = 0;   // of the first input
  double output_elements = 0;  // 0 for views, which make no values
  double work = 0;             // elementary operations, see work.cpp
  double macs = 0;             // multiply-accumulates
  double window = 0;           // multiply-accumulates of one output
  double weights = 0;          // learnable numbers except biases; 0 where an earlier node owns them
  double biases = 0;           // the same for biases
  bool has_bias = false;
  bool is_view = false;            // the result is the input in another arrangement
  bool is_matrix_product = false;  // of two activations
};

// Bits of each operand of a node under a config.
struct Widths {
  bool quantized = false;  // false for a float node and for a bypassed one
  double data_in = kFloatBits, weight = kFloatBits, bias = kFloatBits;
  std::optional<double> effective;   // effective bits of all weights together, see ebops.h
  std::optional<double> configured;  // weight width that the config states, bypassed or not
  double result = kFloatBits;        // width at which the readers of the result take it; filled in by Costs
};

using Rule = double (*)(const Operation& operation, const Widths& widths);
using Total = double (*)(const std::vector<Operation>& operations, const std::vector<double>& values);

double sum(const std::vector<Operation>& operations, const std::vector<double>& values);

struct Model {
  std::string unit;
  std::string definition;             // printed with the number
  Rule otherwise;                     // for operations without a rule of their own
  std::map<std::string, Rule> rules;  // by operation
  Total total = sum;
  bool reads_values = false;  // needs the weights themselves, not only their shapes
};

Registry<Model>& registry();

// Rules that several models share.
double nothing(const Operation& operation, const Widths& widths);

// One rule for linear layers, convolutions and products of matrices.
std::map<std::string, Rule> for_products(Rule rule);

}  // namespace chop::cost
