// Mean and variance, kept up to date by Chan's formula: nothing of the data is stored.
#include "chop/statistics/moment_statistic.h"

namespace chop::statistics {
namespace {

class VarianceOnline : public MomentStatistic {
 public:
  explicit VarianceOnline(const Arguments& arguments) : MomentStatistic(false), ddof_(whole(arguments, "ddof")) {
    check(ddof_ >= 0, "variance_online: ddof must be at least 0, got ", ddof_);
  }

 protected:
  Result result() const override {
    const bool missing = sums_.all_counts_below(2);
    Result result = counted({{"mean", sums_.means(), 1, missing}, {"variance", sums_.variance(ddof_), 1, missing}});
    result.shows_count = !missing;
    return result;
  }

 private:
  int64_t ddof_;
};

[[maybe_unused]] const bool registered =
    registry().add("variance_online",
                   {{{"ddof", int64_t{1}}}, [](const Arguments& a) { return std::make_unique<VarianceOnline>(a); }});

}  // namespace
}  // namespace chop::statistics
