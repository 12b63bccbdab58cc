// Cost models: named figures with a unit and a definition. Each is a rule for an operation in a file that registers
// itself. What an operation is worth in work and products its maker has counted; NaN stands for what is not known.
#pragma once

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "chop/core/registry.h"

namespace chop::cost {

inline constexpr double kFloatBits = 32.0;
inline constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

// Sums of products: `outputs` sums with `macs` products in all, and with a bias each if there is one.
struct Product {
  double macs = 0, outputs = 0;
  bool biased = false;
  double padded = 0;       // of the products, those with a zero that only pads
  double hgq2_biases = 0;  // how many biases HGQ2 counts: of a convolution as many as its input has places
};

// One node of a graph with the batch filled in. Counts are exact up to 2^53.
struct Operation {
  std::string name;
  std::vector<int> inputs;     // positions of operations before it, operand by operand; -1 for what is none
  double output_elements = 0;  // 0 for views, which make no values
  double work = 0;             // elementary operations
  double features = 0;         // of a batch norm, else 0
  double weights = 0;          // learnable numbers except biases; 0 where another operation owns them
  double biases = 0;           // the same for biases
  double weights_used = 0;     // weights of a layer, whoever owns them
  std::vector<Product> products;
  bool is_view = false;           // the result is the input in another arrangement
  bool is_layer = false;          // products with weights that can be quantized
  bool is_linear_layer = false;   // of these, what MASE's average looks at
  bool multiplies_nodes = false;  // products of two operands, the second one under the format of the weight

  double macs() const;
};

// Bits of one operand: all of them, without the one of the sign, and as HGQ2 counts them, see ebops.cpp.
struct Bits {
  double width = kFloatBits, magnitude = kFloatBits, declared = kFloatBits;
};

// Bits of an input times bits of the weight that it meets, mean over the weights, where elements have formats of their
// own.
struct JointBits {
  double width = 0;                                      // all bits of both
  std::optional<double> effective, effective_magnitude;  // all bits, and those without the sign, times effective ones
  double declared = 0;                                   // as HGQ2 counts both, over the products that pad nothing
};

// Bits of each operand of a node under a config; of operands whose elements have formats of their own, the means.
struct Widths {
  bool quantized = false;  // false for a float node and for a bypassed one
  Bits data_in, weight, bias;
  std::optional<double> effective;   // effective bits of all weights together, see effective_bits.h
  std::optional<JointBits> joint;    // where the means do not tell what products take
  std::optional<double> configured;  // weight width that the config states, bypassed or not
  double result = kFloatBits;        // width at which the readers of the result take it; filled in by Costs
  double stored = 0;                 // bits of the parameters that the node owns; filled in by Costs
};

using Rule = double (*)(const Operation& operation, const Widths& widths);
using Total = double (*)(const std::vector<Operation>& operations, const std::vector<double>& values);

double sum(const std::vector<Operation>& operations, const std::vector<double>& values);

struct Model {
  std::string unit;
  std::string definition;  // printed with the number
  Rule rule;
  Total total = sum;
  bool reads_values = false;  // needs the weights themselves, not only their shapes
  bool reads_shapes = true;   // needs more than the parameters
};

Registry<Model>& registry();

}  // namespace chop::cost
