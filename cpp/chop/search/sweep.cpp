#include "chop/search/sweep.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "chop/core/check.h"
#include "chop/search/pareto.h"

namespace chop::search {
namespace {

constexpr size_t kMostCompared = 1024;  // any finished ones make a sound proof
constexpr double kLossError = 1e-5;     // far above what rounding takes from the loss of a row that has none

// Counts of right rows alone, which more of them never lower.
bool rises_with_correct(const Objective& o) {
  return o.maximize && (o.metric == "accuracy" || o.metric == "accuracy_micro");
}

// A sum over rows of what is never negative, over their number.
bool rises_with_rows(const Objective& o) { return !o.maximize && o.metric == "loss"; }

bool has_nan(const std::vector<double>& row) {
  return std::any_of(row.begin(), row.end(), [](double v) { return std::isnan(v); });
}

}  // namespace

Sweep::Sweep(const evaluator::Evaluator& evaluator, const Space& space, std::vector<Objective> objectives, int threads)
    : evaluator_(evaluator), space_(space), objectives_(std::move(objectives)), pool_(threads) {
  check(!objectives_.empty(), "sweep: there must be at least one objective");
  bool bounded = true;
  for (const Objective& objective : objectives_) {
    if (objective.metric.empty()) continue;
    specs_.push_back({objective.metric, {}});
    bounded = bounded && (rises_with_correct(objective) || rises_with_rows(objective));
  }
  prunable_ = bounded && !specs_.empty();
}

void Sweep::run(int64_t first, int64_t count, bool prune, double* values, uint8_t* dropped) {
  space_.check_range(first, count);
  std::vector<evaluator::Config> configs;
  for (int64_t i = 0; i < count; ++i) configs.push_back(space_.config(first + i));
  const size_t width = objectives_.size();
  evaluator::GoOn go_on;
  if (prune && prunable_)
    go_on = [&](size_t i, const evaluator::Counts& counts, const std::vector<evaluator::MetricValue>& so_far,
                int64_t rows) {
      return may_reach_front(values + i * width, {counts, so_far, rows});
    };
  std::vector<std::vector<evaluator::MetricValue>> found(configs.size());
  if (!specs_.empty()) found = evaluator_.evaluate(configs, specs_, pool_, go_on);
  for (size_t i = 0; i < configs.size(); ++i) {
    double* row = values + i * width;
    dropped[i] = !specs_.empty() && found[i].empty();
    size_t next = 0;
    for (size_t k = 0; k < width; ++k) {
      if (objectives_[k].metric.empty()) continue;
      const size_t metric = next++;
      if (dropped[i]) {
        row[k] = std::numeric_limits<double>::quiet_NaN();
        continue;
      }
      check(found[i][metric].shape.empty(), "sweep: metric ", objectives_[k].metric, " is not one number");
      row[k] = found[i][metric].numbers.front();
    }
    add(minimised(row));
  }
}

void Sweep::add_finished(const double* values, int64_t count) {
  const auto width = static_cast<int64_t>(objectives_.size());
  for (int64_t i = 0; i < count; ++i) add(minimised(values + i * width));
}

bool Sweep::may_reach_front(const double* values, const Seen& seen) {
  const std::lock_guard lock(mutex_);
  Row row(values, values + objectives_.size());
  size_t next = 0;
  for (size_t k = 0; k < row.size(); ++k) {
    if (objectives_[k].metric.empty()) continue;
    row[k] = best(objectives_[k], seen.values[next++].numbers.front(), seen);
  }
  row = minimised(row.data());
  return std::none_of(front_.begin(), front_.end(), [&](const Row& finished) {
    return dominates(finished.data(), row.data(), static_cast<int>(row.size()));
  });
}

double Sweep::best(const Objective& objective, double value, const Seen& seen) {
  if (rises_with_rows(objective)) return value - kLossError * (1.0 + std::abs(value));
  // As if all rows that are left were right: the metric's own arithmetic, which is monotone, rounding included.
  auto known = support_.find(seen.rows);
  if (known == support_.end()) known = support_.emplace(seen.rows, evaluator_.support(seen.rows)).first;
  evaluator::Counts ideal = seen.counts;
  for (size_t c = 0; c < ideal.correct.size(); ++c) ideal.correct[c] += ideal.support[c] - known->second[c];
  static const evaluator::Population nobody{};
  return evaluator::metrics().get(objective.metric).make({}, nobody)->value(ideal, nullptr).numbers.front();
}

Sweep::Row Sweep::minimised(const double* values) const {
  Row row(values, values + objectives_.size());
  for (size_t k = 0; k < row.size(); ++k)
    if (objectives_[k].maximize) row[k] = -row[k];
  return row;
}

void Sweep::add(const Row& row) {
  if (!prunable_ || has_nan(row)) return;
  const std::lock_guard lock(mutex_);
  const auto width = static_cast<int>(row.size());
  for (const Row& finished : front_)
    if (finished == row || dominates(finished.data(), row.data(), width)) return;
  front_.erase(std::remove_if(front_.begin(), front_.end(),
                              [&](const Row& finished) { return dominates(row.data(), finished.data(), width); }),
               front_.end());
  if (front_.size() < kMostCompared) front_.push_back(row);
}

}  // namespace chop::search
