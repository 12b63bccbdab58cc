#include "chop/evaluator/metrics/score.h"

#include <algorithm>

#include "chop/core/check.h"
#include "chop/core/parallel.h"

namespace chop::evaluator {
namespace {

Population population_of(const Outputs& outputs) {
  check(outputs.rows > 0, "score: the logits have no rows");
  check(outputs.classes > 0 && outputs.classes <= 1 << 16, "score: the logits must have 1..65536 classes, got ",
        outputs.classes);
  Population result{static_cast<int>(outputs.classes), outputs.rows, {}};
  if (!outputs.labels) return result;
  result.support.assign(static_cast<size_t>(outputs.classes), 0);
  for (int64_t row = 0; row < outputs.rows; ++row) {
    const int64_t label = outputs.labels[row];
    check(label >= 0 && label < outputs.classes, "score: y[", row, "] is ", label, "; there are ", outputs.classes,
          " classes");
    ++result.support[static_cast<size_t>(label)];
  }
  return result;
}

// Rows first_row to first_row + valid of [rows][classes], as [classes][kBlock]; the other places stay as they are.
void to_block(const float* from, int64_t first_row, int valid, int classes, std::vector<float>* block) {
  for (int s = 0; s < valid; ++s)
    for (int c = 0; c < classes; ++c)
      (*block)[static_cast<size_t>(c * kBlock + s)] = from[(first_row + s) * classes + c];
}

std::unique_ptr<Scores> score_chunk(const MetricSet& set, const Outputs& outputs, int64_t first_row) {
  const int classes = set.population().classes;
  std::vector<float> logits(static_cast<size_t>(classes) * kBlock), reference(logits.size());
  Label labels[kBlock] = {};
  std::unique_ptr<Scores> scores = set.start(first_row);
  const int64_t end = std::min(first_row + kSumRows, outputs.rows);
  for (int64_t row = first_row; row < end; row += kBlock) {
    const int valid = static_cast<int>(std::min<int64_t>(kBlock, end - row));
    to_block(outputs.logits, row, valid, classes, &logits);
    if (set.needs_reference()) to_block(outputs.reference, row, valid, classes, &reference);
    if (outputs.labels)
      for (int s = 0; s < valid; ++s) labels[s] = static_cast<Label>(outputs.labels[row + s]);
    scores->add(row, valid, logits.data(), outputs.labels ? labels : nullptr,
                set.needs_reference() ? reference.data() : nullptr);
  }
  return scores;
}

}  // namespace

std::vector<MetricValue> score(const Outputs& outputs, const std::vector<MetricSpec>& specs, int threads) {
  const MetricSet set(specs, population_of(outputs));
  check(!set.needs_reference() || outputs.reference,
        "score: one of the metrics compares with the float model: give its logits as the reference");
  OrderedScores joined(set);
  check_threads(threads);
  const int64_t chunks = (outputs.rows + kSumRows - 1) / kSumRows;
  const ThreadPool pool(static_cast<int>(std::min<int64_t>(threads, chunks)));
  pool.run(chunks, [&](int64_t chunk) { joined.put(chunk, score_chunk(set, outputs, chunk * kSumRows)); });
  return set.values(joined.joined());
}

}  // namespace chop::evaluator
