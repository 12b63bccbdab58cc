// The plain loops of gather.h, for the table of reference.cpp.
#pragma once

#include "chop/kernels/gather.h"

namespace chop::reference {

// Output o's row, finished, into its group at y; last: the channels behind it become the code 0.
void finish_into(const Finish& f, int o, const float* row, void* y, bool last);

void gather(const Gather& g);
void depthwise(const Depthwise& d);
void plane_sum_wide(const float* x, int64_t plane, int planes, int count, float* y);

}  // namespace chop::reference
