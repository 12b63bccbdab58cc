// Two values: -1 and 1, or 0 and the mean magnitude of a sample or an output channel.
#include "chop/quantizers/float_rules.h"

namespace chop::quantizers {
namespace {

// bipolar
NumberRule rule(const double* n, const BlockFacts& facts, const RealType&) {
  NumberRule rule;
  rule.kind = RuleKind::two_values;
  if (n[0] != 0.0) {
    rule.low = -1.0;
    rule.high = 1.0;
    return rule;
  }
  rule.threshold = std::numeric_limits<double>::denorm_min();  // above 0
  rule.high = facts.count ? facts.sum / static_cast<double>(facts.count) : 0.0;
  return rule;
}

std::optional<ValueGrid> grid(const double* n) { return n[0] != 0.0 ? std::optional(ValueGrid{0, 1.0}) : std::nullopt; }

[[maybe_unused]] const bool registered = value_formats().add("binary", {1, kMean, false, rule, grid});

}  // namespace
}  // namespace chop::quantizers
