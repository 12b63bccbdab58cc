// Mean and variance of the whole data in two passes: the data are kept, and how they were cut changes nothing.
#include "chop/statistics/samples.h"
#include "chop/statistics/two_pass.h"

namespace chop::statistics {
namespace {

class VariancePrecise : public Statistic {
 public:
  explicit VariancePrecise(const Arguments& arguments)
      : ddof_(whole(arguments, "ddof")), elementwise_(flag(arguments, "elementwise")) {
    check(ddof_ >= 0, "variance_precise: ddof must be at least 0, got ", ddof_);
  }

 protected:
  void begin(int64_t groups) override { samples_.reset(groups); }
  void add(const Values& values) override {
    values.visit([&](const auto* data) { samples_.add(data, values.rows, false); });
  }
  void join(const Statistic& other) override { samples_.merge(static_cast<const VariancePrecise&>(other).samples_); }

  Result result() const override {
    const TwoPass found = two_pass(samples_, ddof_);
    const bool missing = found.most_numbers < (elementwise_ ? 2 : 1);
    return {{{"mean", found.mean, 1, missing}, {"variance", found.variance, 1, missing}}, found.count, found.nan};
  }

 private:
  Samples samples_;
  int64_t ddof_;
  bool elementwise_;
};

[[maybe_unused]] const bool registered =
    registry().add("variance_precise",
                   {{{"ddof", int64_t{1}}}, [](const Arguments& a) { return std::make_unique<VariancePrecise>(a); }});

}  // namespace
}  // namespace chop::statistics
