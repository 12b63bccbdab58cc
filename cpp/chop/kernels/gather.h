// Planes: what one group of channels has at all places of one or a few images, in words (a float, or the codes of one
// group) side by side. A window's taps bring a plane's words into the rows of blocks.
#pragma once

#include <cstdint>

#include "chop/kernels/product.h"

namespace chop {

inline constexpr int kPieceLanes = 16;
inline constexpr int kSlackWords = kBlock;  // that may be read before and behind the planes; what they are is open

// `width` lanes of a row, from `lane` on: lane l reads the word from + l * step. width: 16, 8 or 4; step: 1 or 2. Or,
// with step 0, the word words[from + l], and `fill` where that is negative; width 4.
struct Piece {
  int32_t from = 0;
  int32_t mask = -1;  // the lanes that read, as masks[mask]; the others are `fill`. Negative: all read.
  int16_t tap = 0;
  uint8_t lane = 0, width = 0, step = 0;
};

struct Mask {
  uint32_t lane[kPieceLanes];  // all ones, or 0
};

struct Pieces {
  const Piece* pieces = nullptr;  // of one block of lanes, by lanes and then by taps
  int count = 0;
  const Mask* masks = nullptr;
  const int32_t* words = nullptr;
};

struct Gather {
  const void* x = nullptr;  // `planes` planes, `plane` words each
  int64_t plane = 0;
  int planes = 0;
  Pieces pieces;
  uint32_t fill = 0;
  void* y = nullptr;  // row tap * planes + plane
};

// Sums over the taps of each channel by itself, exact in float, of one block of lanes. x has a plane of floats for
// each input channel, of which each has `multiplier` outputs.
struct Depthwise {
  const float* x = nullptr;
  int64_t plane = 0;
  Pieces pieces;
  int taps = 1, out = 0, multiplier = 1;
  const float* weight = nullptr;  // [out][taps]
  const float* bias = nullptr;    // [out], or null
  Finish finish;                  // alpha and beta: one per output
  void* y = nullptr;              // output o in the group o / channels * across
  int64_t across = 1;             // in groups
};

struct PlaneKernels {
  void (*gather)(const Gather&) = nullptr;
  void (*depthwise)(const Depthwise&) = nullptr;
  // y[c * kBlock] = the sum of the first `count` floats of the plane c, in double and in order, rounded once.
  void (*sum_wide)(const float* x, int64_t plane, int planes, int count, float* y) = nullptr;
};

}  // namespace chop
