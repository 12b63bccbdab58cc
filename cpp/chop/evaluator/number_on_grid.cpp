#include "chop/evaluator/number_on_grid.h"

#include <algorithm>

#include "chop/core/check.h"
#include "chop/quantizers/quantizer.h"

namespace chop::evaluator {

std::optional<ir::Node> with_number_on_grid(const ir::Node& node, const NodeFormat* format) {
  const quantizers::BoundFormat* values =
      format && !node.op->operands.empty() ? format->value(node.op->operands.front()) : nullptr;
  const auto is = [](const char* name) { return [name](const ir::Attribute& each) { return each.name == name; }; };
  const std::vector<ir::Attribute>& given = node.attributes;
  const FixedPoint* grid = format && !node.op->operands.empty() ? format->operand(node.op->operands.front()) : nullptr;
  if ((!grid && !values) || std::none_of(given.begin(), given.end(), is("whole")) || node.attribute("whole") != 0.0)
    return {};
  check(!format->each(node.op->operands.front()), "evaluator: node ", node.name, ": ", node.op->operands.front(),
        " has a format for each channel, and the number ", node.attribute("other"), " has no channel");
  ir::Node made = node;
  if (values) {
    double number = node.attribute("other");
    const quantizers::BlockLayout one = quantizers::block_layout({1}, values->block_size, values->first);
    quantizers::quantize_blocks(*values->format, values->numbers.data(), quantizers::kFloat64, one, 0, 1, &number,
                                &number);
    std::find_if(made.attributes.begin(), made.attributes.end(), is("other"))->value = number;
    return made;
  }
  std::find_if(made.attributes.begin(), made.attributes.end(), is("other"))->value =
      quantizers::registry().get(format->quantizer).number(node.attribute("other"), *grid);
  return made;
}

}  // namespace chop::evaluator
