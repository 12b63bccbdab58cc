// Mean of the magnitudes.
#include "chop/statistics/moment_statistic.h"

namespace chop::statistics {
namespace {

class AbsMean : public MomentStatistic {
 public:
  AbsMean() : MomentStatistic(true) {}

 protected:
  Result result() const override {
    const bool missing = sums_.all_counts_below(2);
    Result result = counted({{"abs_mean", sums_.means(), 1, missing}});
    result.shows_count = !missing;
    return result;
  }
};

[[maybe_unused]] const bool registered =
    registry().add("abs_mean", {{}, [](const Arguments&) { return std::make_unique<AbsMean>(); }});

}  // namespace
}  // namespace chop::statistics
