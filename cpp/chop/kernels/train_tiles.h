// Convolutions of 3x3 taps with stride 1 by tiles of 2x2 results, which take 16 products instead of 36.
//
// Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, arXiv:1509.09308, F(2x2, 3x3). A tile of
// x is brought to 16 numbers V = B' x B, the taps to U = G w G', and the results are A' (U V summed over the inputs) A.
#pragma once

#include "chop/kernels/training.h"

namespace chop {

inline constexpr int kTileParts = 16;  // numbers of a tile, each with a product of its own over the channels

// Tiles of planes of `height` by `width` places. Part p of channel c and tile t lies at
// parts[p * part + c * tile_channel + t], times the kTrainLanes numbers of a place.
template <class T>
struct TrainTiles {
  int channels = 0;
  int rows = 0, columns = 0;            // of tiles
  int first_row = 0, first_column = 0;  // of the first tile; places outside of the planes are zeros
  int height = 0, width = 0;
  const T* x = nullptr;  // planes that are read
  T* y = nullptr;        // or written
  T* parts = nullptr;
  int64_t part = 0, tile_channel = 0;
  const T* bias = nullptr;  // of the results; null: none
  bool add = false;         // to what y holds
  bool relu = false;

  // No power of two: parts and channels would meet in the same few places of the cache.
  void lay_out() {
    part = (int64_t{rows} * columns | 1) * kTrainLanes;
    tile_channel = kTileParts * part + kTrainLanes;
  }
};
// Numbers that the parts of so many channels and tiles take.
constexpr int64_t tile_numbers(int64_t channels, int64_t tiles) {
  return channels * (kTileParts * (tiles + 1) + 1) * kTrainLanes;
}

template <class T>
struct TrainTileKernels {
  void (*inputs)(const TrainTiles<T>& p) = nullptr;     // V of 4x4 places
  void (*gradients)(const TrainTiles<T>& p) = nullptr;  // A x A' of 2x2 places, for the gradient of the taps
  void (*results)(const TrainTiles<T>& p) = nullptr;    // A' parts A: 2x2 places
};

template <class T>
const TrainTileKernels<T>& train_tile_kernels();

}  // namespace chop
