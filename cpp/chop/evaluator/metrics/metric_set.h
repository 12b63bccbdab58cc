// The metrics of one call, and what a chunk of rows adds to them.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "chop/evaluator/metrics/metric.h"
#include "chop/evaluator/metrics/row_sums.h"

namespace chop::evaluator {

struct MetricSpec {
  std::string name;
  MetricOptions options;

  bool operator==(const MetricSpec&) const = default;
};

class MetricSet;

// What a chunk of rows adds. One thread at a time.
class Scores {
 public:
  // logits, reference: [classes][kBlock], reference null unless needed; labels: [kBlock], null without labels. Blocks
  // come in the order of their rows.
  void add(int64_t first_row, int valid, const float* logits, const Label* labels, const float* reference);
  // later: of the rows that follow.
  void merge(const Scores& later);

 private:
  friend class MetricSet;
  Scores(const MetricSet& set, int64_t first_row);

  const MetricSet* set_;
  std::vector<int64_t> predicted_, correct_;
  std::vector<std::unique_ptr<Accumulator>> seen_;  // null where the counts are enough
};

// Immutable; it outlives its Scores.
class MetricSet {
 public:
  // Throws std::invalid_argument on an unknown metric or option, an option out of range, a missing one, and on a metric
  // that needs labels where there are none.
  MetricSet(const std::vector<MetricSpec>& specs, Population population);

  bool needs_reference() const { return needs_.reference; }

  // first_row: a multiple of kSumRows.
  std::unique_ptr<Scores> start(int64_t first_row) const;

  Counts counts(const Scores& all) const;
  // One value a spec, of all rows.
  std::vector<MetricValue> values(const Scores& all) const;
  const Population& population() const { return population_; }

 private:
  friend class Scores;
  Population population_;
  std::vector<std::unique_ptr<const Metric>> metrics_;
  Needs needs_{};
};

// Joins chunks in their order, whichever is ready first; what can be joined is joined at once.
class OrderedScores {
 public:
  explicit OrderedScores(const MetricSet& set) : joined_(set.start(0)) {}
  // Every chunk once; from any thread.
  void put(int64_t chunk, std::unique_ptr<Scores> scores);
  // After all chunks.
  const Scores& joined() const { return *joined_; }

 private:
  std::mutex mutex_;
  std::unique_ptr<Scores> joined_;
  int64_t next_ = 0;
  std::map<int64_t, std::unique_ptr<Scores>> waiting_;
};

}  // namespace chop::evaluator
