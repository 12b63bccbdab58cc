#include "chop/statistics/two_pass.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace chop::statistics {
namespace {

// Neumaier's sum: what each addition rounds away is added up beside it.
class Sum {
 public:
  void add(double v) {
    const double next = sum_ + v;
    lost_ += std::fabs(sum_) >= std::fabs(v) ? (sum_ - next) + v : (v - next) + sum_;
    sum_ = next;
  }
  double value() const { return std::isfinite(sum_) ? sum_ + lost_ : sum_; }  // infinities make `lost` NaN

 private:
  double sum_ = 0.0, lost_ = 0.0;
};

}  // namespace

TwoPass two_pass(const Samples& samples, int64_t ddof) {
  const double nothing = std::numeric_limits<double>::quiet_NaN();
  TwoPass result;
  samples.each_group([&](int64_t, const auto& numbers) {
    const auto n = static_cast<int64_t>(numbers.size());
    const bool equal =
        n > 0 && std::isfinite(numbers[0]) && std::count(numbers.begin(), numbers.end(), numbers[0]) == n;
    Sum sum, squares;
    for (const auto v : numbers) sum.add(static_cast<double>(v));
    const double mean = n == 0  ? nothing
                        : equal ? static_cast<double>(numbers[0])
                                : sum.value() / static_cast<double>(n);
    Sum rest;  // what rounding took from the mean
    for (const auto v : numbers) {
      const double distance = static_cast<double>(v) - mean;
      rest.add(distance);
      squares.add(distance * distance);
    }
    const double around = squares.value() - rest.value() * (rest.value() / static_cast<double>(n));
    const double all = std::isfinite(around) ? std::max(0.0, around) : squares.value();
    result.mean.push_back(mean);
    result.variance.push_back(n > ddof ? all / static_cast<double>(n - ddof) : nothing);
    result.count.push_back(n);
    result.nan.push_back(samples.rows() - n);
    result.most_numbers = std::max(result.most_numbers, n);
  });
  return result;
}

}  // namespace chop::statistics
