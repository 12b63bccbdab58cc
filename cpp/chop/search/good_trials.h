// Which trials count as good ones, of one objective or of several.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace chop::search {

struct Trial {
  int64_t number = 0;
  std::vector<int64_t> point;
  std::vector<double> values;  // smaller is better; empty for one that gave none
  double violation = 0;        // of constraints; 0 where all are kept
};

// The finished trials from the best on: those that keep the constraints before the others, which are ordered by how
// much they violate them.
class Ranking {
 public:
  explicit Ranking(int objectives) : objectives_(objectives) {}

  // The trial stays where it is as long as the ranking is used.
  void add(const Trial* trial);
  size_t size() const { return feasible_.size() + infeasible_.size(); }
  // `count` of them, in no order. Of several objectives: whole ranks of nondomination, and of the first rank that does
  // not fit the part that dominates most (Ozaki et al., "Multiobjective tree-structured Parzen estimator", 2022, as
  // Optuna has it).
  std::vector<const Trial*> best(size_t count) const;

 private:
  std::vector<const Trial*> front_of(std::vector<const Trial*>& left) const;
  std::vector<const Trial*> spread(const std::vector<const Trial*>& rank, size_t count) const;

  int objectives_;
  std::vector<const Trial*> feasible_;    // by values, lexicographically, then by number
  std::vector<const Trial*> infeasible_;  // by violation, then by number
};

}  // namespace chop::search
