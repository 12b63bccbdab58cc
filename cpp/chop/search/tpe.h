// A tree-structured Parzen estimator that proposes whole configurations (Bergstra et al., "Algorithms for
// hyper-parameter optimization", 2011; Watanabe, "Tree-structured Parzen estimator", 2023), for spaces of finite
// choices.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "chop/core/fork.h"
#include "chop/search/good_trials.h"
#include "chop/search/parzen.h"

namespace chop::search {

struct TpeOptions {
  uint64_t seed = 0;
  int64_t startup = 10;       // trials at random before the first estimate
  int64_t candidates = 24;    // drawn for each proposal
  bool joint = true;          // kernels over whole configurations; else each parameter by itself
  bool avoid_repeats = true;  // a configuration that was tried is not proposed while others are left
};

// A proposal depends on the options, its number and the set of trials known, not on the order in which they came. May
// be used by several threads at once.
class Tpe {
 public:
  // Throws std::invalid_argument without a parameter, with an empty one, and without an objective.
  Tpe(std::vector<Parameter> parameters, int objectives, TpeOptions options);

  // A finished trial; values: smaller is better, with a NaN for one that failed. A number that is known is left as it
  // is.
  void tell(int64_t number, std::vector<int64_t> point, std::vector<double> values, double violation);
  // The point for trial `number`; running: trials without values so far, which count as bad ones.
  std::vector<int64_t> propose(int64_t number, const std::vector<Trial>& running);

  int64_t told() const;

 private:
  using Point = std::vector<int64_t>;
  using Seen = std::set<Point>;

  void check_point(const Point& point) const;
  Point uniform(Random& random) const;
  bool is_free(const Point& point, const Seen& taken) const;
  Point estimated(Random& random, const std::vector<Trial>& running, const Seen& taken);
  Mixture mixture(std::vector<Kernels>& tables, const std::vector<const Trial*>& trials, bool ramp) const;
  Point best_joint(Random& random, const Mixture& good, const Mixture& bad, const Seen& taken) const;
  Point best_apart(Random& random, const Mixture& good, const Mixture& bad) const;
  Point untried(Random& random, Point otherwise, const Seen& taken) const;

  std::vector<Parameter> parameters_;
  int objectives_;
  TpeOptions options_;
  double size_ = 1;  // of the space
  std::map<int64_t, Trial> trials_;
  Ranking ranking_;
  Seen seen_;
  std::vector<Kernels> good_tables_, bad_tables_;
  mutable ForkMutex mutex_;
};

}  // namespace chop::search
