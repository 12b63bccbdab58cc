#include "chop/cost/model.h"

namespace chop::cost {

Registry<Model>& registry() {
  static Registry<Model> instance("cost model");
  return instance;
}

// A node without a value (NaN) counts for nothing.
double sum(const std::vector<Operation>&, const std::vector<double>& values) {
  double total = 0;
  for (const double value : values)
    if (value == value) total += value;
  return total;
}

double nothing(const Operation&, const Widths&) { return 0; }

std::map<std::string, Rule> for_products(Rule rule) {
  return {{"linear", rule}, {"conv1d", rule}, {"conv2d", rule}, {"matmul", rule}, {"bmm", rule}};
}

}  // namespace chop::cost
