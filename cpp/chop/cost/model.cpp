#include "chop/cost/model.h"

#include <cmath>

namespace chop::cost {

Registry<Model>& registry() {
  // Not destroyed: a daemon thread may read it while the process ends.
  static auto& instance = *new Registry<Model>("cost model");
  return instance;
}

double Operation::macs() const {
  double macs = 0;
  for (const Product& product : products) macs += product.macs;
  return macs;
}

// A node without a value (NaN) counts for nothing.
double sum(const std::vector<Operation>&, const std::vector<double>& values) {
  double total = 0;
  for (const double value : values)
    if (!std::isnan(value)) total += value;
  return total;
}

}  // namespace chop::cost
