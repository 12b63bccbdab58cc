// Minimum, maximum, mean and variance together: one pass where four would do it.
#include "chop/statistics/moment_statistic.h"

namespace chop::statistics {
namespace {

class Moments : public MomentStatistic {
 public:
  explicit Moments(const Arguments& arguments)
      : MomentStatistic(flag(arguments, "abs")), ddof_(whole(arguments, "ddof")) {
    check(ddof_ >= 0, "moments: ddof must be at least 0, got ", ddof_);
  }

 protected:
  Result result() const override {
    const bool none = sums_.all_counts_below(1);
    return counted({{"min", sums_.minima(), 1, none},
                    {"max", sums_.maxima(), 1, none},
                    {"mean", sums_.means(), 1, none},
                    {"variance", sums_.variance(ddof_), 1, sums_.all_counts_below(2)}});
  }

 private:
  int64_t ddof_;
};

[[maybe_unused]] const bool registered = registry().add(
    "moments",
    {{{"abs", false}, {"ddof", int64_t{1}}}, [](const Arguments& a) { return std::make_unique<Moments>(a); }});

}  // namespace
}  // namespace chop::statistics
