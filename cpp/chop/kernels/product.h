// The products that layers are made of, on blocks of rows, and the encodings between them.
#pragma once

#include <cstdint>

#include "chop/kernels/elementwise.h"

namespace chop {

// How a block keeps its channels: in groups of kGroupBytes, each with the channels of one place side by side.
//   f32:   [group][kBlock] floats; a group is one channel
//   u8x4:  [group][kBlock][4] bytes; codes of four channels, plus `zero`
//   s16x2: [group][kBlock][2] shorts; codes of two channels
enum class Encoding : int { f32, u8x4, s16x2 };

inline constexpr int kGroupBytes = kBlock * 4;
constexpr int channels_of(Encoding encoding) {
  return encoding == Encoding::u8x4 ? 4 : encoding == Encoding::s16x2 ? 2 : 1;
}

// What becomes of a number on its way into a block: op, then the encoding. u8x4 and s16x2 take codes (op.rounding ==
// Rounding::codes with half even and saturation) that fit 8 and 16 bits after `zero` (0 or 128; 0 for s16x2) was added;
// NaN may become any code there, but harms no other channel. Rows of f32 may have any rounding; codes have no other.
struct Finish {
  Elementwise op;  // alpha and beta: one per destination channel
  Encoding to = Encoding::f32;
  int zero = 0;
};

// y's channel i = finish(x's row rows[i]); a negative row stands for the code 0 (a channel that fills up a group).
struct Encode {
  const float* x = nullptr;       // [..][kBlock]
  const int32_t* rows = nullptr;  // [groups * channels_of(to)]
  int groups = 0;
  Finish finish;
  void* y = nullptr;
};

// sum[p][o] = sum over taps t and channels c of x[at(p, t)][c] * weight[o][t][c]
// y[p][o]   = finish(scale * (sum * 2^shift + bias[o]))
// One position and one tap make a linear layer; a convolution has its window's places in `at`.
inline constexpr int kTile = 4;  // outputs that share the weights' rows
inline constexpr int32_t kPadded = -1;

// Units that multiply matrices take the weights of one tap in matrices of 16 outputs and 16 groups of four codes.
inline constexpr int kMatrix = 16;

// The order of a convolution group's weights; missing outputs and channels are 0.
struct WeightOrder {
  int out = 0, taps = 1, groups = 0;
  int channels = 1;       // of a group
  bool matrices = false;  // [ceil(out / 16)][taps][ceil(groups / 16)][16][16][4], for four channels only

  constexpr int64_t count() const {
    const int side = matrices ? kMatrix : kTile;
    const int64_t tap = matrices ? int64_t{(groups + kMatrix - 1) / kMatrix} * kMatrix : groups;
    return int64_t{(out + side - 1) / side} * taps * tap * side * channels;
  }
  // The place of output o's weight for a tap's channel c.
  constexpr int64_t place(int o, int tap, int c) const {
    const int group = c / channels, within = c % channels;
    if (!matrices) return ((int64_t{o / kTile * taps + tap} * groups + group) * kTile + o % kTile) * channels + within;
    const int64_t matrix = int64_t{o / kMatrix * taps + tap} * ((groups + kMatrix - 1) / kMatrix) + group / kMatrix;
    return ((matrix * kMatrix + o % kMatrix) * kMatrix + group % kMatrix) * channels + within;
  }
};

struct Product {
  const void* x = nullptr;        // groups in the encoding of the kernel
  const int32_t* at = nullptr;    // [positions][taps]: first group of each tap, or kPadded
  int at_bytes = kGroupBytes;     // from one number in `at` to the next
  const void* padding = nullptr;  // `groups` groups with the code 0, `stride` = 1; where `at` has kPadded
  int positions = 1, taps = 1;
  int groups = 0;  // groups of a tap
  int stride = 1;  // from one of its groups to the next, in groups
  // [ceil(out / kTile)][taps][groups][kTile][channels of a group]; missing outputs and channels are 0.
  // u8x4: int8_t, s16x2: int16_t, f32: float, whole: int32_t (x are codes in f32), wide: double (x in f32)
  const void* weight = nullptr;
  bool matrices = false;  // u8x4 only: the weights are in matrices, see WeightOrder
  bool roomy = false;     // with stride 1: kMatrix groups more than a tap has may be read, whatever is there
  // One per output, or null. Integer kernels: int32_t, in the unit of sum * 2^shift; else float, wide: double.
  const void* bias = nullptr;
  int shift = 0;       // integer kernels only
  float scale = 1.0f;  // integer kernels only, a power of two
  int out = 0;
  Finish finish;  // alpha and beta: one per output
  // Integer kernels only: floats that are added behind alpha and beta, or null. Of output o at position p: the row
  // o * addend_across + p.
  const float* addend = nullptr;
  int64_t addend_across = 1;
  // The channels that fill its last group up become the code 0.
  // Output o at position p goes to the group p * along + o / channels * across.
  void* y = nullptr;
  int64_t along = 1, across = 1;  // in groups
  int lanes = kBlock;             // samples that count; what becomes of the others is open

  // f32: row o * positions + p, so that flattening needs no work; else group p * ceil(out / channels) + o / channels.
  void place_side_by_side() {
    const int channels = channels_of(finish.to);
    along = finish.to == Encoding::f32 ? 1 : (out + channels - 1) / channels;
    across = finish.to == Encoding::f32 ? positions : 1;
  }
};

struct ProductKernels {
  void (*u8x4)(const Product&);     // sums wrap at 32 bits, so only the final one must fit
  void (*s16x2)(const Product&);    // every |sum| < 2^31
  void (*whole)(const Product&);    // x: f32 codes below 2^31; every |sum| < 2^31
  void (*exact)(const Product&);    // floats; every partial sum is exact, so order and fusing do not matter
  void (*ordered)(const Product&);  // floats; starts with the bias, separate multiply and add, taps then channels
  void (*wide)(const Product&);  // doubles that are floats' values, in the same order; one rounding to float at the end
  bool has_matrices = false;     // u8x4 knows weights in matrices

  // Whether this layer's weights are worth matrices.
  bool takes_matrices(int out, int taps, int groups) const {
    return has_matrices && out >= kMatrix && groups >= kMatrix / 2 && taps > 0;
  }
};

}  // namespace chop
