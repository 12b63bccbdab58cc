// The quantiles 1 - q and q, exactly.
#include <algorithm>

#include "chop/statistics/selection.h"
#include "chop/statistics/statistic.h"

namespace chop::statistics {
namespace {

class RangeQuantile : public Statistic {
 public:
  explicit RangeQuantile(const Arguments& arguments)
      : abs_(flag(arguments, "abs")),
        elementwise_(flag(arguments, "elementwise")),
        quantile_(number(arguments, "quantile")) {
    check(quantile_ >= 0.0 && quantile_ <= 1.0, "range_quantile: quantile must be 0..1, got ", quantile_);
  }

 protected:
  void begin(int64_t groups) override { samples_.reset(groups); }
  void add(const Values& values) override {
    values.visit([&](const auto* data) { samples_.add(data, values.rows, abs_); });
  }
  void join(const Statistic& other) override { samples_.merge(static_cast<const RangeQuantile&>(other).samples_); }

  Result result() const override {
    Result result{{{"min", {}}, {"max", {}}, {"range", {}}}, {}, {}};
    const std::vector<double> asked = {1.0 - quantile_, quantile_};
    const auto put = [&](const Quantiles& found) {
      result.fields[0].values.push_back(found.values[0]);
      result.fields[1].values.push_back(found.values[1]);
      result.fields[2].values.push_back(found.values[0] == found.values[1] ? 0.0 : found.values[1] - found.values[0]);
      result.count.push_back(found.count);
      result.nan.push_back(samples_.rows() - found.count);
    };
    if (samples_.groups() == 1) {
      samples_.visit([&](const auto& pieces) { put(quantiles(pieces, asked)); });
    } else {
      samples_.each_group([&](int64_t, auto& numbers) { put(quantiles(numbers, asked)); });
    }
    const int64_t most = *std::max_element(result.count.begin(), result.count.end());
    for (Field& field : result.fields) field.missing = most < (elementwise_ ? 2 : 1);
    return result;
  }

 private:
  Samples samples_;
  bool abs_, elementwise_;
  double quantile_;
};

[[maybe_unused]] const bool registered = registry().add(
    "range_quantile",
    {{{"abs", false}, {"quantile", 0.975}}, [](const Arguments& a) { return std::make_unique<RangeQuantile>(a); }});

}  // namespace
}  // namespace chop::statistics
