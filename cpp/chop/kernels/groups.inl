// Groups of which some channels are missing. Included by *.simd.cpp only.
#pragma once

#include "chop/kernels/finish.h"
#include "chop/kernels/simd_tables.h"

namespace chop::CHOP_ISA {
namespace {

// Finishes a group of which not all channels are `here`: the others become the code 0.
inline void finish_partly(CodesKernel kernel, const CodesGroup& group, const Finish& f, const bool (&here)[kTile]) {
  const int channels = channels_of(f.to);
  float alpha[kTile] = {}, beta[kTile] = {};
  int32_t bias[kTile] = {};
  CodesGroup g = group;
  const void* any = nullptr;
  const float* added = nullptr;
  uint32_t keep = 0;
  for (int i = 0; i < channels; ++i) {
    if (!here[i]) continue;
    any = g.row[i], added = g.addend[i];
    if (g.bias) bias[i] = g.bias[i];
    if (g.alpha) alpha[i] = g.alpha[i], beta[i] = g.beta[i];
    keep |= channels == 4 ? 0xffu << 8 * i : 0xffffu << 16 * i;
  }
  for (int i = 0; i < channels; ++i)
    if (!here[i]) g.row[i] = any, g.addend[i] = added;
  g.alpha = alpha, g.beta = beta, g.bias = bias;
  if (any) kernel(g);
  uint32_t* y = static_cast<uint32_t*>(g.y);
  const uint32_t fill = ~keep & (channels == 4 ? static_cast<uint32_t>(f.zero) * 0x01010101u : 0u);
  for (int s = 0; s < kBlock; ++s) y[s] = (any ? y[s] & keep : 0u) | fill;
}

}  // namespace
}  // namespace chop::CHOP_ISA
