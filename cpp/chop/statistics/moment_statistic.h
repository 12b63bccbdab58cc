// The base of every statistic that needs no more than the moments of its groups.
#pragma once

#include "chop/statistics/moment_sums.h"
#include "chop/statistics/statistic.h"

namespace chop::statistics {

class MomentStatistic : public Statistic {
 public:
  explicit MomentStatistic(bool abs) : abs_(abs) {}

 protected:
  void begin(int64_t groups) override { sums_.reset(groups); }
  void add(const Values& values) override {
    values.visit([&](const auto* data) { sums_.add(data, values.rows, abs_); });
  }
  void join(const Statistic& other) override { sums_.merge(static_cast<const MomentStatistic&>(other).sums_); }

  // A result with these fields and the counts.
  Result counted(std::vector<Field> fields) const { return {std::move(fields), sums_.count, sums_.nan}; }

  MomentSums sums_;

 private:
  bool abs_;
};

}  // namespace chop::statistics
