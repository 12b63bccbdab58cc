// Convolutions and pools: where their taps lie. Planes are of places, each of which holds the samples of a block.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "chop/ir/graph.h"
#include "chop/kernels/training.h"

namespace chop::trainer {

// In a plan with windows a block has so many samples: a few planes of them stay in the near caches, and places lie side
// by side as vectors do.
inline constexpr int kPlace = kTrainLanes;

// A plane of places with zeros around it.
struct Margins {
  int height = 0, width = 0, top = 0, left = 0, bottom = 0, right = 0;
  int64_t row() const { return static_cast<int64_t>(left + width + right) * kPlace; }
  int64_t plane() const { return row() * (top + height + bottom); }
  int64_t at(int y, int x) const { return (y + top) * row() + static_cast<int64_t>(x + left) * kPlace; }
  bool none() const { return !(top || left || bottom || right); }
};

// Places of the input that are of one remainder by the strides: the same taps give them their gradients.
struct TapClass {
  int row = 0, column = 0, rows = 0, columns = 0;  // first place, and how many
  std::vector<int64_t> g_taps, w_taps;
};

struct Convolution {
  int groups = 1, ins = 0, outs = 0;  // of a group
  int taps = 0;
  bool tiled = false;         // by TileRunner, which reads no margins
  int rows = 0, columns = 0;  // of the result
  int stride_down = 1, stride_across = 1;
  Margins x, g;                         // of the input, and of the gradient of the result
  std::vector<int64_t> x_taps, w_taps;  // forward
  std::vector<int64_t> offsets;         // in x of the terms of the weights' gradient, [ins * taps]
  std::vector<TapClass> classes;
};

struct Pool {
  bool largest = false;
  int channels = 0, height = 0, width = 0;
  std::vector<TrainSpan> down, across;
  double divisor = 0;  // as TrainPool has it
};

// `input`: the shape of what the node reads; plain: nothing is rounded, so that sums in another order do no harm. They
// throw std::invalid_argument that names the node.
Convolution convolution_of(const ir::Node& node, const ir::Shape& input, bool plain);
std::optional<Pool> pool_of(const ir::Node& node, const ir::Shape& input);  // none: it is of another kind

}  // namespace chop::trainer
