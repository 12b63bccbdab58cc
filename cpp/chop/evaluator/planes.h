// The layout in which lanes hold places: a row has kBlock places of one channel, of one or a few images side by side.
// Few images then cost what they are worth, and what the layers hand on stays in the caches. A value has as many rows
// for each channel as its places need: what goes by single numbers knows no difference.
#pragma once

#include <memory>
#include <vector>

#include "chop/evaluator/window.h"
#include "chop/kernels/gather.h"

namespace chop::evaluator {

// Rows of one channel when each of `images` has so many places.
inline int plane_rows(int images, int places) { return (images * places + kBlock - 1) / kBlock; }

// How many images go side by side, a power of two; 0: lanes hold samples. rows: of the data.
int images_together(const ir::Graph& graph, int64_t rows);

// What a window's taps see, for each row of a plane.
struct GatherTable {
  std::vector<Piece> pieces;
  std::vector<int32_t> begin{0};  // [rows of a plane + 1]
  std::vector<Mask> masks;
  std::vector<int32_t> words;

  Pieces row(int i) const {
    return {pieces.data() + begin[static_cast<size_t>(i)],
            begin[static_cast<size_t>(i) + 1] - begin[static_cast<size_t>(i)], masks.data(), words.data()};
  }
};

// A convolution or a pool on planes.
struct PlaneWindow {
  Window rows;  // the same layer as a product of rows with rows
  int images = 1;
  int lanes_out = 0;  // places of all images
  int taps = 1;
  GatherTable table;  // empty where each place sees itself alone

  bool gathers() const { return !table.pieces.empty(); }
};

std::shared_ptr<const PlaneWindow> plane_window(const Window& window, int images);

// The rows of a value in the order in which a layer on planes reads its channels in this encoding.
std::vector<int32_t> plane_input_rows(const Window& rows, Encoding encoding);

}  // namespace chop::evaluator
