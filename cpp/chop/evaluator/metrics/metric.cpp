#include "chop/evaluator/metrics/metric.h"

namespace chop::evaluator {
namespace {

class CountMetric final : public Metric {
 public:
  explicit CountMetric(Value (*value)(const Counts&)) : value_(value) {}
  Needs needs() const override { return {}; }
  Value value(const Counts& counts, const Accumulator*) const override { return value_(counts); }

 private:
  Value (*value_)(const Counts&);
};

}  // namespace

Registry<MetricMember>& metrics() {
  static Registry<MetricMember> instance("metric");
  return instance;
}

bool add_count_metric(const std::string& name, const std::string& unit, const std::string& direction,
                      const std::string& definition, Value (*value)(const Counts&)) {
  return metrics().add(name, {unit, direction, definition, {}, [value](const MetricOptions&, const Population&) {
                                return std::make_unique<CountMetric>(value);
                              }});
}

}  // namespace chop::evaluator
