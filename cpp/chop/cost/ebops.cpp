// Source: effective bit operations of Sun et al., HGQ, 2024 (arXiv 2405.00645).
#include "chop/cost/ebops.h"

#include <bit>
#include <cmath>

#include "chop/cost/model.h"
#include "chop/cost/work.h"
#include "chop/kernels/grid.h"

namespace chop::cost {
namespace {

int effective_bits(float code) {
  const auto magnitude = static_cast<uint64_t>(std::fabs(code));
  return magnitude == 0 ? 0 : std::bit_width(magnitude) - std::countr_zero(magnitude);
}

double matrices(const Operation& o, const Widths& w) { return o.macs * w.data_in * w.weight; }

// Every weight is used equally often.
double layer(const Operation& o, const Widths& w) {
  if (o.macs == 0 || !w.effective) return matrices(o, w);
  return o.macs / element_count(o.node->parameter("weight")->shape) * w.data_in * *w.effective;
}

[[maybe_unused]] const bool registered = registry().add(
    "ebops",
    {"EBOPs",
     "for each multiplication by a weight: bits of the input times the bits from the highest to the lowest set "
     "bit of the weight's code, 0 for a zero (after Sun et al. 2024; float operands and products of two "
     "activations: full widths)",
     nothing,
     {{"linear", layer}, {"conv1d", layer}, {"conv2d", layer}, {"matmul", matrices}, {"bmm", matrices}},
     sum,
     true});

}  // namespace

double effective_weight_bits(const ir::Node& node, const FixedPoint& f) {
  const std::vector<float>& weights = node.values("weight");
  std::vector<float> found(weights.size());
  kernels().fake_quantize_f32(weights.data(), found.data(), static_cast<int64_t>(weights.size()), code_grid_of(f));
  double bits = 0;
  for (const float code : found) bits += std::isnan(code) ? f.width : effective_bits(code);
  return bits;
}

}  // namespace chop::cost
