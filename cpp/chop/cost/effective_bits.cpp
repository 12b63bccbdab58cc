#include "chop/cost/effective_bits.h"

#include <bit>
#include <cmath>
#include <vector>

#include "chop/kernels/grid.h"

namespace chop::cost {
namespace {

int effective_bits(float code) {
  const auto magnitude = static_cast<uint64_t>(std::fabs(code));
  return magnitude == 0 ? 0 : std::bit_width(magnitude) - std::countr_zero(magnitude);
}

}  // namespace

double effective_weight_bits(const float* weights, int64_t count, const FixedPoint& f) {
  std::vector<float> found(static_cast<size_t>(count));
  kernels().fake_quantize_f32(weights, found.data(), count, code_grid_of(f));
  double bits = 0;
  for (const float code : found) bits += std::isnan(code) ? f.width : effective_bits(code);
  return bits;
}

}  // namespace chop::cost
