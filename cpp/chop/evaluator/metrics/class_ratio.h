// Ratios of counts, one for each class.
#pragma once

#include <limits>

#include "chop/evaluator/metrics/metric.h"

namespace chop::evaluator {

// NaN where there is nothing to divide by.
inline double ratio(int64_t part, int64_t whole) {
  return whole == 0 ? std::numeric_limits<double>::quiet_NaN() : static_cast<double>(part) / static_cast<double>(whole);
}

// The harmonic mean of a class's recall and precision; NaN where the class is neither a label nor a prediction.
inline double f1(const Counts& counts, size_t c) {
  return ratio(2 * counts.correct[c], counts.support[c] + counts.predicted[c]);
}

template <class Ratio>
MetricValue for_each_class(const Counts& counts, Ratio ratio_of) {
  std::vector<double> values;
  for (size_t c = 0; c < counts.support.size(); ++c) values.push_back(ratio_of(c));
  return list(std::move(values));
}

// Over the classes that are a label or a prediction.
template <class Ratio>
MetricValue mean_of_classes(const Counts& counts, Ratio ratio_of) {
  double sum = 0.0;
  int64_t classes = 0;
  for (size_t c = 0; c < counts.support.size(); ++c) {
    if (counts.support[c] == 0 && counts.predicted[c] == 0) continue;
    sum += ratio_of(c);
    ++classes;
  }
  return number(sum / static_cast<double>(classes));
}

}  // namespace chop::evaluator
