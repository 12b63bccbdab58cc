#include "chop/evaluator/metrics/metric.h"

namespace chop::evaluator {
namespace {

class CountMetric final : public Metric {
 public:
  explicit CountMetric(MetricValue (*value)(const Counts&)) : value_(value) {}
  Needs needs() const override { return {}; }
  MetricValue value(const Counts& counts, const Accumulator*) const override { return value_(counts); }

 private:
  MetricValue (*value_)(const Counts&);
};

}  // namespace

Registry<MetricMember>& metrics() {
  // Not destroyed: a daemon thread may read it while the process ends.
  static auto& instance = *new Registry<MetricMember>("metric");
  return instance;
}

bool add_count_metric(const std::string& name, const std::string& unit, const std::string& direction,
                      const std::string& definition, MetricValue (*value)(const Counts&)) {
  return metrics().add(name, {unit, direction, definition, {}, [value](const MetricOptions&, const Population&) {
                                return std::make_unique<CountMetric>(value);
                              }});
}

}  // namespace chop::evaluator
