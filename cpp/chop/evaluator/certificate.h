// What a config's integers really do on the data: widths, saturation, and whether floats tell the same as hardware.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "chop/evaluator/config.h"

namespace chop::evaluator {

struct Saturation {
  int64_t beyond = 0;  // numbers that the format had to saturate (or wrap)
  int64_t count = 0;   // of so many
};

// An output whose sum in float32, in the order of the inputs, is not the exact sum rounded once.
struct Counterexample {
  int64_t row = 0;
  int output = 0;  // position in the flattened output of the layer
  double exact = 0.0, in_float = 0.0;
};

// One layer whose operands are all on grids. Sums are in units of the finest grid, `unit`. For an operation without
// sums, such as a quantized activation, only `inputs` is told.
struct LayerCertificate {
  std::string node;
  bool sums = true;
  Road road = Road::float64;
  double unit = 1.0;
  double bound = 0.0;  // the largest |sum| that any input could give
  double used = 0.0;   // the largest |sum| that the data gave
  double reach = 0.0;  // the largest sum of magnitudes that the data gave: bounds every partial sum, in any order
  bool data_is_finite = true;   // no input has NaN for its code; infinities have the codes of the ends
  bool grids_are_close = true;  // of products and bias: their sums have a width that can be counted
  Saturation inputs, weights, biases;
  std::optional<Counterexample> counterexample;

  // Whether sums were made: `used`, `reach` and the counterexample mean something.
  bool countable() const { return sums && data_is_finite && grids_are_close && bound < 1e300; }
};

}  // namespace chop::evaluator
