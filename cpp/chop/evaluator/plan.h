// A lowered graph and a quantization config become a list of steps.
#pragma once

#include <vector>

#include "chop/evaluator/blocks.h"
#include "chop/evaluator/config.h"
#include "chop/evaluator/step.h"

namespace chop::evaluator {

// What a step takes at a time: the rows of blocks; or, before those, planes of some images; or it brings planes into
// the rows of a block.
enum class Stage { rows, planes, join };

// Blocks are numbered: 0 is the data, i + 1 what step i writes.
struct PlannedStep {
  StepPtr step;
  std::vector<int> inputs;
  Stage stage = Stage::rows;
  bool operator==(const PlannedStep&) const = default;
};

struct Plan {
  std::vector<PlannedStep> steps;
  std::vector<std::shared_ptr<const Blocks>> known;  // what a step writes, for all of the data, where that is kept
  int output = 0;                                    // in Encoding::f32, the rows of the graph's output
  int images = 0;                                    // side by side in the planes; 0: there are none
  int together = 1;  // how many blocks go through a step before the next one; more where torch computes a node
  std::vector<LayerReport> layers;
};

}  // namespace chop::evaluator
