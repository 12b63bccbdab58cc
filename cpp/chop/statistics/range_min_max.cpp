// Smallest and largest number.
#include "chop/statistics/moment_statistic.h"

namespace chop::statistics {
namespace {

class RangeMinMax : public MomentStatistic {
 public:
  explicit RangeMinMax(const Arguments& arguments) : MomentStatistic(flag(arguments, "abs")) {}

 protected:
  Result result() const override {
    const std::vector<double> low = sums_.minima(), high = sums_.maxima();
    std::vector<double> range(low.size());
    // Equal infinities are no distance apart.
    for (size_t g = 0; g < low.size(); ++g) range[g] = high[g] == low[g] ? 0.0 : high[g] - low[g];
    const bool none = sums_.all_counts_below(1);
    return counted({{"min", low, 1, none}, {"max", high, 1, none}, {"range", range, 1, sums_.all_counts_below(2)}});
  }
};

[[maybe_unused]] const bool registered = registry().add(
    "range_min_max", {{{"abs", false}}, [](const Arguments& a) { return std::make_unique<RangeMinMax>(a); }});

}  // namespace
}  // namespace chop::statistics
