// The weights of a linear layer or a convolution, quantized and packed for one road.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "chop/evaluator/config.h"
#include "chop/evaluator/range.h"
#include "chop/evaluator/weights.h"
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
  bool matrices = false;  // of Product
  int merged = 1;         // taps whose groups lie side by side, as those of one tap
  std::shared_ptr<const PackedWeights> weight;
  std::vector<std::byte> bias;  // as Product wants it, one convolution group after the other
  size_t bias_bytes = 0;        // of one group

  const std::byte* weight_of(int group) const {
    return weight->bytes.data() + static_cast<size_t>(group) * weight->group_bytes;
  }
  const std::byte* bias_of(int group) const {  // null: none
    return bias.empty() ? nullptr : bias.data() + static_cast<size_t>(group) * bias_bytes;
  }
  bool shares_weight = false;  // with other layers
  size_t bytes() const { return sizeof(Layer) + (shares_weight ? 0 : weight->bytes.size()) + bias.size(); }
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
LayerCodes layer_grids(const ir::Node& node, const NodeFormat& format);  // without the weights
bool takes_codes(const ir::Node& node, const NodeFormat* format);
LayerCodes layer_codes(const ir::Node& node, const NodeFormat& format);

// What is known of a layer's input. side_by_side: the taps whose groups will lie side by side, if it is of use.
struct LayerInput {
  bool finite = false, nonnegative = false;
  int side_by_side = 1;
  WeightCache* cache = nullptr;  // null: nothing is kept
  int64_t node = 0;              // its name in the cache
};

// format: null for a float layer. Throws std::invalid_argument.
Layer make_layer(const ir::Node& node, const Window& window, const NodeFormat* format, const LayerInput& input);

}  // namespace chop::evaluator
