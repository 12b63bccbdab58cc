// Every combination of choices, numbered: the first group turns slowest, so that neighbours share the layers before the
// last ones.
#pragma once

#include <cstdint>
#include <vector>

#include "chop/cost/costs.h"
#include "chop/evaluator/config.h"

namespace chop::search {

// What a rule, or a whole config, means: the formats of nodes, and their widths for the cost models.
struct Choice {
  evaluator::Config formats;
  std::vector<cost::NodeWidths> widths;
};

class Space {
 public:
  // Groups concern different nodes, those of the first layers first. Throws std::invalid_argument for an empty group
  // and for more than 2^62 combinations.
  explicit Space(std::vector<std::vector<Choice>> groups);

  int64_t size() const { return size_; }
  // Throws std::invalid_argument unless there are the `count` configurations from `first` on.
  void check_range(int64_t first, int64_t count) const;
  evaluator::Config config(int64_t number) const;
  // [count][models], of the configurations from `first` on.
  void costs(const cost::Costs& models, int64_t first, int64_t count, double* totals) const;

 private:
  template <class Visit>
  void visit(int64_t number, Visit visit) const;

  std::vector<std::vector<Choice>> groups_;
  int64_t size_ = 1;
};

}  // namespace chop::search
