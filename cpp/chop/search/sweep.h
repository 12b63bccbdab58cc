// A walk over a whole space on resident data: neighbours share the work of their first layers, and a configuration that
// can no longer reach the front is dropped.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "chop/core/fork.h"
#include "chop/evaluator/evaluator.h"
#include "chop/search/space.h"

namespace chop::search {

// Measured by the metric of that name, or, where that is empty, a cost that is known beforehand.
struct Objective {
  std::string metric;
  bool maximize = false;
};

// May be used by several threads at once; what is dropped then depends on what is finished by then.
class Sweep {
 public:
  // The evaluator and the space outlive the sweep. Throws std::invalid_argument on what is not one number.
  Sweep(const evaluator::Evaluator& evaluator, const Space& space, std::vector<Objective> objectives, int threads);

  // values: [count][objectives] of the configurations from `first` on; on entry the costs are filled in. prune: drop
  // those that the rows seen so far prove to be dominated by a finished one: their metrics become NaN and dropped[i] 1.
  // Results are the same for any number of threads, bit for bit.
  void run(int64_t first, int64_t count, bool prune, double* values, uint8_t* dropped);

  // What is finished elsewhere counts for pruning, too: [count][objectives].
  void add_finished(const double* values, int64_t count);

  int64_t objectives() const { return static_cast<int64_t>(objectives_.size()); }

 private:
  using Row = std::vector<double>;
  struct Seen {  // of one configuration
    const evaluator::Counts& counts;
    const std::vector<evaluator::MetricValue>& values;
    int64_t rows;
  };

  bool may_reach_front(const double* values, const Seen& seen);
  double best(const Objective& objective, double value, const Seen& seen);
  Row minimised(const double* values) const;
  void add(const Row& row);

  const evaluator::Evaluator& evaluator_;
  const Space& space_;
  std::vector<Objective> objectives_;
  std::vector<evaluator::MetricSpec> specs_;
  bool prunable_ = false;
  ThreadPool pool_;
  ForkMutex mutex_;                                  // of the two below
  std::vector<Row> front_;                           // minimised; some of the finished ones, when there are many
  std::map<int64_t, std::vector<int64_t>> support_;  // rows of each class among the first so many rows
};

}  // namespace chop::search
