// The mean plus and minus some standard deviations; either kind of variance.
#include <cmath>

#include "chop/statistics/moment_sums.h"
#include "chop/statistics/two_pass.h"

namespace chop::statistics {
namespace {

class RangeNSigma : public Statistic {
 public:
  explicit RangeNSigma(const Arguments& arguments)
      : abs_(flag(arguments, "abs")),
        precise_(word(arguments, "var_mode") == "precise"),
        elementwise_(flag(arguments, "elementwise")),
        num_sigma_(number(arguments, "num_sigma")),
        ddof_(whole(arguments, "ddof")) {
    const std::string mode = word(arguments, "var_mode");
    check(precise_ || mode == "online", "range_n_sigma: var_mode must be online or precise, got '", mode, "'");
    check(num_sigma_ >= 0.0, "range_n_sigma: num_sigma must be at least 0, got ", num_sigma_);
    check(ddof_ >= 0, "range_n_sigma: ddof must be at least 0, got ", ddof_);
  }

 protected:
  void begin(int64_t groups) override { precise_ ? samples_.reset(groups) : sums_.reset(groups); }

  void add(const Values& values) override {
    values.visit([&](const auto* data) {
      precise_ ? samples_.add(data, values.rows, abs_) : sums_.add(data, values.rows, abs_);
    });
  }

  void join(const Statistic& other) override {
    const auto& partner = static_cast<const RangeNSigma&>(other);
    precise_ ? samples_.merge(partner.samples_) : sums_.merge(partner.sums_);
  }

  Result result() const override {
    if (precise_) {
      const TwoPass found = two_pass(samples_, ddof_);
      return range(found.mean, found.variance, found.count, found.nan, found.most_numbers);
    }
    const bool one = !sums_.all_counts_below(1), two = !sums_.all_counts_below(2);
    return range(sums_.means(), sums_.variance(ddof_), sums_.count, sums_.nan, one + two);
  }

 private:
  Result range(const std::vector<double>& mean, const std::vector<double>& variance, std::vector<int64_t> count,
               std::vector<int64_t> nan, int64_t most_numbers) const {
    std::vector<double> low, high, width;
    for (size_t g = 0; g < mean.size(); ++g) {
      const double reach = num_sigma_ * std::sqrt(variance[g]);
      low.push_back(mean[g] - reach);
      high.push_back(mean[g] + reach);
      width.push_back(2.0 * reach);
    }
    const bool missing = most_numbers < (elementwise_ ? 2 : 1);
    return {{{"min", low, 1, missing}, {"max", high, 1, missing}, {"range", width, 1, missing}},
            std::move(count),
            std::move(nan)};
  }

  MomentSums sums_;  // online
  Samples samples_;  // precise
  bool abs_, precise_, elementwise_;
  double num_sigma_;
  int64_t ddof_;
};

[[maybe_unused]] const bool registered = registry().add(
    "range_n_sigma", {{{"abs", false}, {"var_mode", std::string("online")}, {"num_sigma", 3.0}, {"ddof", int64_t{1}}},
                      [](const Arguments& a) { return std::make_unique<RangeNSigma>(a); }});

}  // namespace
}  // namespace chop::statistics
