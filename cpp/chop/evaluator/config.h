// A quantization config as the core takes it, and how a layer is computed under it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "chop/core/element_format.h"
#include "chop/core/fixed_point.h"
#include "chop/evaluator/torch_call.h"
#include "chop/quantizers/value_format.h"

namespace chop::evaluator {

// What a config says of one node: a quantizer and a format for each operand. Nodes that are not named stay float, and
// so do operands without a format.
struct NodeFormat {
  std::string node;
  std::string quantizer;
  std::map<std::string, FixedPoint> operands;
  TorchCallPtr call;  // computes the node instead of the core, for a quantizer without a native twin; else null
  // Operands with a format for each element: of the weight, for each number of it or each output; of the bias, for each
  // output; of data, for each feature or channel. `operands` then has the common format of all.
  std::map<std::string, std::shared_ptr<const ElementFormats>> elements = {};
  // Operands whose format is no grid of fixed point: they are brought to its values.
  std::map<std::string, std::shared_ptr<const quantizers::BoundFormat>> values = {};

  const FixedPoint* operand(const std::string& name) const {
    const auto found = operands.find(name);
    return found == operands.end() ? nullptr : &found->second;
  }
  const quantizers::BoundFormat* value(const std::string& name) const {  // null: none
    if (values.empty()) return nullptr;
    const auto found = values.find(name);
    return found == values.end() ? nullptr : found->second.get();
  }
  const ElementFormats* each(const std::string& name) const {  // null: one format for the operand
    if (elements.empty()) return nullptr;
    const auto found = elements.find(name);
    return found == elements.end() ? nullptr : found->second.get();
  }
};
using Config = std::vector<NodeFormat>;

// How a layer's sums are made. All but `float32` sum codes of a grid.
enum class Road { float32, exact_float32, int8, int16, int32, float64 };
const char* road_name(Road road);

// bound: the largest |sum| that any input can give, in units of the finest grid; 0 for a float layer.
struct LayerReport {
  std::string node;
  Road road = Road::float32;
  double bound = 0.0;
};

}  // namespace chop::evaluator
