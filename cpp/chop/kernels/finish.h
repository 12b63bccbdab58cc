// From rows of sums or floats to what the next layer reads: what kernels ask of each other.
#pragma once

#include "chop/kernels/product.h"

namespace chop {

// How sums become numbers: ((sum << shift) + bias) * scale.
struct SumForm {
  float scale = 1.0f;
  int shift = 0;
  bool biased = false;
  bool added = false;  // floats are added behind alpha and beta
};

// Rows of sums or floats, [kBlock] each, that become one group of codes; of as many rows as the group has channels,
// and with an alpha, a beta and a bias for each of them.
struct CodesGroup {
  const void* row[kTile] = {};
  const float* addend[kTile] = {};
  const float* alpha = nullptr;
  const float* beta = nullptr;
  const int32_t* bias = nullptr;
  void* y = nullptr;
  int shift = 0;
  float before, after, low, high, rounder;  // see finish.simd.cpp
};
using CodesKernel = void (*)(const CodesGroup&);

// A row of sums that becomes one of floats. The grid's modes are the usual ones, where it is rounded at all.
struct FloatsRow {
  const void* row = nullptr;
  const float* addend = nullptr;
  float alpha = 1.0f, beta = 0.0f, scale = 1.0f;
  int32_t bias = 0;
  int shift = 0;
  float* y = nullptr;
  GridF32 grid{};
};
using FloatsKernel = void (*)(const FloatsRow&);

struct FinishKernels {
  // The kernel for groups of sums or of floats, and what it wants to know about the finish.
  CodesKernel (*codes_of_sums)(const Finish&, const SumForm&, CodesGroup*);
  CodesKernel (*codes_of_floats)(const Finish&, CodesGroup*);
  // rounding: which of the operation's roundings the kernel is to do.
  FloatsKernel (*floats_of_sums)(const Elementwise&, bool added, Rounding rounding);
};

}  // namespace chop
