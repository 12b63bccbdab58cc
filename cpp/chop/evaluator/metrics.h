// Counts of a classification and the metrics made of them.
#pragma once

#include <cstdint>
#include <vector>

namespace chop::evaluator {

struct Metrics {
  int64_t rows = 0;
  std::vector<int64_t> support;    // rows of each class
  std::vector<int64_t> predicted;  // rows put into each class
  std::vector<int64_t> correct;    // rows put into the class that they are of
  bool has_loss = false;
  double loss_sum = 0.0;  // cross-entropy, added up in double

  double loss() const;
  double accuracy_micro() const;
  // The mean recall of the classes that occur as a label or as a prediction (torchmetrics' macro average).
  double accuracy_macro() const;
};

}  // namespace chop::evaluator
