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
    Sum sum, squares;
    for (const auto v : numbers) sum.add(static_cast<double>(v));
    const double mean = n == 0 ? nothing : sum.value() / static_cast<double>(n);
    for (const auto v : numbers) squares.add((static_cast<double>(v) - mean) * (static_cast<double>(v) - mean));
    result.mean.push_back(mean);
    result.variance.push_back(n > ddof ? squares.value() / static_cast<double>(n - ddof) : nothing);
    result.count.push_back(n);
    result.nan.push_back(samples.rows() - n);
    result.most_numbers = std::max(result.most_numbers, n);
  });
  return result;
}

}  // namespace chop::statistics
