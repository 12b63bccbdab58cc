// Rows of floats into the groups of an encoding.
#include "chop/kernels/simd_tables.h"

namespace chop::CHOP_ISA {
namespace {

// Neighbours in x and y go together.
void floats(const Encode& e) {
  float* y = static_cast<float*>(e.y);
  Elementwise op = e.finish.op;
  int last = 0;
  for (int first = 0; first < e.groups; first = last) {
    const int32_t row = e.rows[first];
    last = first + 1;
    if (row < 0) {
      __builtin_memset(y + static_cast<int64_t>(first) * kBlock, 0, kBlock * sizeof(float));
      continue;
    }
    while (last < e.groups && e.rows[last] == row + (last - first)) ++last;
    op.alpha = e.finish.op.alpha ? e.finish.op.alpha + first : nullptr;
    op.beta = e.finish.op.beta ? e.finish.op.beta + first : nullptr;
    elementwise(op, e.x + static_cast<int64_t>(row) * kBlock, y + static_cast<int64_t>(first) * kBlock, last - first);
  }
}

void run(const Encode& e) {
  if (e.finish.to == Encoding::f32) return floats(e);
  const FinishKernel finish = finishes.of_floats(e.finish);
  const int channels = channels_of(e.finish.to);
  FinishTile tile;
  tile.finish = &e.finish;
  tile.stride = kGroupBytes;
  for (int i = 0; i < kTile; ++i) tile.rows[i] = nullptr;
  for (int g = 0; g < e.groups; ++g) {
    tile.channel = g * channels;
    for (int i = 0; i < channels; ++i) {
      const int32_t row = e.rows[tile.channel + i];
      tile.rows[i] = row < 0 ? nullptr : e.x + static_cast<int64_t>(row) * kBlock;
    }
    tile.y = static_cast<char*>(e.y) + static_cast<int64_t>(g) * kGroupBytes;
    finish(tile);
  }
}

}  // namespace

extern const EncodeKernel encode;
const EncodeKernel encode = run;

}  // namespace chop::CHOP_ISA
