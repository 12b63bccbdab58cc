// The formats that a quantization config's rules were decided to mean, found again operand by operand: a search puts
// the same few widths together in ever new ways, and asks once a trial. Python decides; this only remembers.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "chop/bindings/rule_memo.h"
#include "chop/evaluator/config.h"

namespace chop::bindings {

class FormatMemo {
 public:
  // Nothing if a part of the config is new, or of a form that only Python can judge.
  std::optional<evaluator::Config> find(pybind11::handle config) const;

  // rules[i]: what the i-th rule ('by' is none) means for its nodes. Holds for quantizers whose format of an operand
  // depends on that operand's fields alone, the bias's on those fields of the weight too that it has not got itself.
  void remember(pybind11::handle config, const std::vector<evaluator::Config>& rules);

 private:
  static constexpr size_t kOperands = 3;

  // The fields of one rule: those of each operand, and the others.
  struct Fields {
    RuleKey others;
    std::array<RuleKey, kOperands> operands;
  };
  static bool read(PyObject* name, PyObject* entry, Fields& fields);

  // What rules with the same other fields mean.
  struct Decided {
    evaluator::Config nodes;  // the formats hold no meaning here, only which operands have one
    std::array<RuleTable<std::vector<FixedPoint>>, kOperands> formats;  // of the nodes that have the operand
  };
  using Rules = RuleTable<Decided>;

  RuleTable<Rules> shapes_;
  size_t kept_ = 0;
};

}  // namespace chop::bindings
