#include "chop/trainer/learned_plan.h"

#include "chop/trainer/unary.h"

namespace chop::trainer {

int add_learned(Plan* plan, const ir::Node& node, const NodeSpec& spec, const char* operand, int64_t size,
                int64_t channel) {
  const auto found = spec.learned.find(operand);
  if (found == spec.learned.end()) return -1;
  const FixedPoint& format = spec.formats.at(operand).front();
  const bool parameter = found->first != "data_in";
  if (format.rounding != RoundingMode::half_even || format.overflow != OverflowMode::saturate)
    refuse(node, "has a trained width of " + found->first + ", which must round half_even and saturate");
  if (parameter && !format.is_signed) refuse(node, "has a trained width of " + found->first + ", which must be signed");
  const int64_t share = found->second == "tensor" ? size : found->second == "channel" ? channel : 1;
  LearnedGroups groups{parameter, format.is_signed, size, share, plan->groups};
  for (const LearnedGroups& other : plan->learned) (other.parameter ? groups.bits : groups.values) +=
      other.parameter ? other.size : other.groups();
  plan->groups += groups.groups();
  plan->learned.push_back(groups);
  return static_cast<int>(plan->learned.size()) - 1;
}

void add_price(Plan* plan, const ir::Node& node, const NodeSpec& spec, Step* step) {
  const bool weights = spec.learned.count("weight") > 0, inputs = spec.learned.count("data_in") > 0;
  if (weights != inputs) refuse(node, "must have trained widths of both data_in and weight, or of neither");
  if (!weights) return;
  LearnedProduct product;
  for (const Rounded& r : plan->rounded)
    if (r.place == step->weight) product.weights = r.learned;
  for (const Step& before : plan->steps)
    if (before.out == step->a) product.inputs = before.learned;
  plan->learned_products.push_back(product);
  step->sparse = true;
}

}  // namespace chop::trainer
