// The integer (fixed-point) quantizer: round half to even, clamp to the range of the format.
#include "chop/quantizers/quantizer.h"

namespace chop::quantizers {
namespace {

GridF32 grid(const FixedPoint& format) {
  return {static_cast<float>(format.inverse_scale()), static_cast<float>(format.scale()),
          static_cast<float>(format.qmin()), static_cast<float>(format.qmax())};
}

void codes(const float* x, float* y, int64_t n, const FixedPoint& format) {
  GridF32 g = grid(format);
  g.step = 1.0f;  // codes instead of values
  kernels().fake_quantize_f32(x, y, n, g);
}

[[maybe_unused]] const bool registered = registry().add("integer", {grid, codes});

}  // namespace

Registry<Quantizer>& registry() {
  static Registry<Quantizer> instance("quantizer");
  return instance;
}

}  // namespace chop::quantizers
