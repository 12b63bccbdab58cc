// Where a linear layer or a convolution finds its inputs: places, and channels at each place.
#pragma once

#include <cstdint>
#include <vector>

#include "chop/ir/graph.h"

namespace chop::evaluator {

struct Window {
  int channels = 0, out = 0;  // in all; a convolution group has channels / groups and out / groups of them
  int groups = 1;
  int places_in = 1, places_out = 1, taps = 1;
  std::vector<int32_t> from;   // [places_out][taps]: the place in the input, or kPadded
  bool channels_last = false;  // rows of a value are place * channels + channel, else channel * places + place

  int row(int channel, int place) const {
    return channels_last ? place * channels + channel : channel * places_in + place;
  }
  bool padded() const;
};

// node: linear, conv1d or conv2d. Throws std::invalid_argument for shapes that are too large.
Window window_of(const ir::Node& node, const ir::Shape& input);

// node: max_pool1d or max_pool2d, of a batch of images with channels.
bool is_max_pool(const ir::Node& node);
Window pool_window(const ir::Node& node, const ir::Shape& input);

// Elements of one row of data: the product of all dimensions but the batch, which must come first.
int elements(const ir::Node& node);

}  // namespace chop::evaluator
