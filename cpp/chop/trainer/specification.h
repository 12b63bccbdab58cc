// What the trainer must know beside the lowered graph: which tensors are one, what is trained, and how.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "chop/core/element_format.h"
#include "chop/quantizers/value_format.h"

namespace chop::trainer {

struct NodeSpec {
  std::map<std::string, int> parameters;  // weight and bias: numbers of parameters
  int running = -1;                       // number of the running statistics of a batch norm
  double momentum = 0.1;                  // of those; negative: the average of all batches
  // Operand (data_in, weight, bias) -> formats: one, or one for each feature, output channel or number.
  std::map<std::string, ElementFormats> formats;
  // Operand -> who shares a width that is trained: tensor, channel, element. Of its formats, sign and modes are kept.
  std::map<std::string, std::string> learned = {};
  // Operands whose format is no fixed-point grid.
  std::map<std::string, std::shared_ptr<const quantizers::BoundFormat>> values = {};
};

struct Specification {
  std::vector<int64_t> sizes;  // of the parameters; those that are trained come first
  int trained = 0;             // how many of them are
  std::vector<int> running;    // channels of each pair of running statistics
  std::map<std::string, NodeSpec> nodes;
  bool clipped = false;  // straight-through gradients are zero outside the range of a format
};

struct Options {
  std::string optimizer = "adam";  // adam, adamw, sgd
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  double momentum = 0.0;
  bool nesterov = false;
  double weight_decay = 0.0;
  std::optional<double> clip;
  std::string clip_by = "norm";  // norm, value
};

}  // namespace chop::trainer
