// The weights of a linear layer or a convolution, quantized and packed for one road.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "chop/evaluator/config.h"
#include "chop/evaluator/range.h"
#include "chop/evaluator/window.h"
#include "chop/kernels/product.h"

namespace chop::evaluator {

struct Layer {
  Road road = Road::float32;
  double bound = 0.0;     // of LayerReport
  double unit = 1.0;      // of the bound: the finest grid's step
  bool codes_in = false;  // takes codes of its input's format, else the input's values
  // Where the data are values of a number format that lie on a grid: the codes that the layer takes instead.
  std::optional<FixedPoint> value_codes;
  Encoding encoding = Encoding::f32;
  int zero = 0;
  double gain = 0.0, offset = 0.0;  // no |output| is larger than gain * largest |input| + offset
  float scale = 1.0f;
  int shift = 0;
  bool matrices = false;                    // of Product
  std::vector<std::byte> weight, bias;      // as Product wants them, one convolution group after the other
  size_t weight_bytes = 0, bias_bytes = 0;  // of one group

  size_t bytes() const { return sizeof(Layer) + weight.size() + bias.size(); }
};

// Codes of a layer whose operands are all on grids, and the grids of its sums.
struct LayerCodes {
  std::vector<double> weight, bias;  // codes; weight: [out][channels / groups][taps]
  int shift = 0, bias_shift = 0;     // a sum in units of the finest grid is sum * 2^shift + bias * 2^bias_shift
  int finest = 0;                    // that grid's fraction width
};
// Keeps the numbers in the layer as its road's kernel wants them.
void pack_numbers(const Window& window, const std::vector<double>& weight, const std::vector<double>& bias,
                  Layer* layer);
bool takes_codes(const ir::Node& node, const NodeFormat* format);
LayerCodes layer_codes(const ir::Node& node, const NodeFormat& format);

// format: null for a float layer. finite, nonnegative: what is known of the input. Throws std::invalid_argument.
Layer make_layer(const ir::Node& node, const Window& window, const NodeFormat* format, bool finite, bool nonnegative);

}  // namespace chop::evaluator
