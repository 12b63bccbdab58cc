// Three values: -a, 0 and a; a is 1, or the mean of the magnitudes above the threshold.
#include "chop/quantizers/float_rules.h"

namespace chop::quantizers {
namespace {

// threshold (NaN: three quarters of the mean magnitude), scaling_factor
NumberRule rule(const double* n, const BlockFacts& facts, const RealType&) {
  NumberRule rule;
  rule.kind = RuleKind::three_values;
  const double mean = facts.count ? facts.sum / static_cast<double>(facts.count) : 0.0;
  rule.threshold = std::isnan(n[0]) ? 0.75 * mean : n[0];
  rule.high = n[1] != 0.0 ? 0.0 : 1.0;  // 0: to be found
  return rule;
}

std::optional<ValueGrid> grid(const double* n) { return n[1] == 0.0 ? std::optional(ValueGrid{0, 1.0}) : std::nullopt; }

[[maybe_unused]] const bool registered = value_formats().add("ternary", {2, kMean, true, rule, grid});

}  // namespace
}  // namespace chop::quantizers
