// Rows of floats into the groups of an encoding.
#include "chop/kernels/simd_tables.h"
// clang-format off: after the tables
#include "chop/kernels/groups.inl"
// clang-format on

namespace chop::CHOP_ISA {
namespace {

const float* row_of(const Encode& e, int channel) { return e.x + static_cast<int64_t>(e.rows[channel]) * kBlock; }

// Neighbours in x and y go together.
void floats(const Encode& e) {
  float* y = static_cast<float*>(e.y);
  Elementwise op = e.finish.op;
  int last = 0;
  for (int first = 0; first < e.groups; first = last) {
    last = first + 1;
    float* to = y + static_cast<int64_t>(first) * kBlock;
    if (e.rows[first] < 0) {
      __builtin_memset(to, 0, kGroupBytes);
      continue;
    }
    while (last < e.groups && e.rows[last] == e.rows[first] + (last - first)) ++last;
    op.alpha = e.finish.op.alpha ? e.finish.op.alpha + first : nullptr;
    op.beta = e.finish.op.beta ? e.finish.op.beta + first : nullptr;
    elementwise(op, row_of(e, first), to, last - first);
  }
}

void run(const Encode& e) {
  if (e.finish.to == Encoding::f32) return floats(e);
  const int channels = channels_of(e.finish.to);
  const Elementwise& op = e.finish.op;
  CodesGroup group;
  const CodesKernel kernel = finishes.codes_of_floats(e.finish, &group);
  for (int g = 0; g < e.groups; ++g) {
    const int first = g * channels;
    bool here[kTile], all = true;
    for (int i = 0; i < channels; ++i) {
      here[i] = e.rows[first + i] >= 0;
      all = all && here[i];
      group.row[i] = row_of(e, here[i] ? first + i : 0);
    }
    group.alpha = op.alpha ? op.alpha + first : nullptr;
    group.beta = op.beta ? op.beta + first : nullptr;
    group.y = static_cast<char*>(e.y) + static_cast<int64_t>(g) * kGroupBytes;
    all ? kernel(group) : finish_partly(kernel, group, e.finish, here);
  }
}

}  // namespace

extern const EncodeKernel encode;
const EncodeKernel encode = run;

}  // namespace chop::CHOP_ISA
