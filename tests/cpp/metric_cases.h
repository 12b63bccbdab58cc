// Logits to score, with ties and without.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "chop/evaluator/metrics/score.h"
#include "samples.h"
#include "test.h"

namespace chop::testing {

using namespace evaluator;

struct Case {
  int64_t rows, classes;
  std::vector<float> logits, reference;
  std::vector<int64_t> labels;

  Outputs outputs() const { return {logits.data(), labels.data(), reference.data(), rows, classes}; }
  const float* row(int64_t r) const { return &logits[static_cast<size_t>(r * classes)]; }
  const float* reference_row(int64_t r) const { return &reference[static_cast<size_t>(r * classes)]; }
  int64_t label(int64_t r) const { return labels[static_cast<size_t>(r)]; }
};

// ties: small whole numbers, so that many logits are equal.
inline Case make_case(int64_t rows, int64_t classes, bool ties, uint64_t seed) {
  Case c{rows, classes, {}, {}, {}};
  c.logits = ties ? whole_values(rows * classes, 2, seed) : uniform_values(rows * classes, -9.0f, 9.0f, seed);
  c.reference = c.logits;
  Random random(seed + 1);
  for (float& v : c.reference) v += ties ? static_cast<float>(random.below(2)) : random.uniform(-0.1f, 0.1f);
  for (int64_t r = 0; r < rows; ++r) c.labels.push_back(random.below(std::max<int64_t>(1, classes - 1)));
  return c;
}

inline const int64_t kRows[] = {1, 2, 63, 64, 65, 1000, 4095, 4096, 4097, 8193};

template <class Check>
void for_each_case(Check check_case) {
  for (const int64_t rows : kRows)
    for (const int64_t classes : {1, 2, 5, 17, 300})
      if (classes < 300 || rows <= 65)
        for (const bool ties : {false, true}) check_case(make_case(rows, classes, ties, 7));
}

inline std::vector<double> one(const Case& c, const std::string& name, const MetricOptions& options = {},
                               int threads = 1) {
  return score(c.outputs(), {{name, options}}, threads)[0].numbers;
}

}  // namespace chop::testing
