// Sets of metrics: the same bits for any threads, company and cut of the rows; what they need and refuse.
#include <algorithm>

#include "metric_cases.h"

namespace chop::evaluator {
namespace {

using namespace testing;

std::vector<MetricSpec> every_metric() {
  std::vector<MetricSpec> specs{{"loss", {{"mean_of_batches", 512}}}, {"loss", {{"mean_of_batches", 700}}}};
  for (const auto& [name, member] : metrics().members())
    specs.push_back({name, name == "top_k" ? MetricOptions{{"k", 2}} : MetricOptions{}});
  return specs;
}

bool same(const std::vector<MetricValue>& a, const std::vector<MetricValue>& b) {
  for (size_t i = 0; i < a.size(); ++i)
    if (first_difference(a[i].numbers, b[i].numbers) >= 0 || a[i].shape != b[i].shape) return false;
  return a.size() == b.size();
}

TEST(threads_and_company_change_no_metric) {
  for (const int64_t rows : {1, 65, 4096, 4097, 30011}) {
    const Case c = make_case(rows, 5, false, 3);
    const std::vector<MetricSpec> specs = every_metric();
    const std::vector<MetricValue> expected = score(c.outputs(), specs, 1);
    for (const int threads : {2, 4}) CHECK(same(score(c.outputs(), specs, threads), expected), rows, " ", threads);
    for (size_t i = 0; i < specs.size(); ++i)
      CHECK(same(score(c.outputs(), {specs[i]}, 1), {expected[i]}), specs[i].name, " alone, rows ", rows);
  }
}

TEST(chunks_of_any_length_give_the_same_bits) {
  const Case c = make_case(5 * kSumRows + 100, 3, false, 5);
  const MetricSet set(every_metric(), {3, c.rows, {0, 0, 0}});
  const auto fill = [&](Scores& scores, int64_t first, int64_t end) {
    std::vector<float> logits(3 * kBlock), reference(3 * kBlock);
    for (int64_t row = first; row < end; row += kBlock) {
      Label labels[kBlock] = {};
      const int valid = static_cast<int>(std::min<int64_t>(kBlock, end - row));
      for (int s = 0; s < valid; ++s) {
        labels[s] = static_cast<Label>(c.label(row + s));
        for (int i = 0; i < 3; ++i) logits[static_cast<size_t>(i * kBlock + s)] = c.row(row + s)[i];
        for (int i = 0; i < 3; ++i) reference[static_cast<size_t>(i * kBlock + s)] = c.reference_row(row + s)[i];
      }
      scores.add(row, valid, logits.data(), labels, reference.data());
    }
  };
  const auto whole = set.start(0);
  fill(*whole, 0, c.rows);
  for (const int64_t cut : {int64_t{1}, int64_t{2}, int64_t{3}}) {
    OrderedScores joined(set);
    const int64_t length = cut * kSumRows;
    for (int64_t chunk = (c.rows - 1) / length; chunk >= 0; --chunk) {  // the last one first
      auto scores = set.start(chunk * length);
      fill(*scores, chunk * length, std::min(c.rows, (chunk + 1) * length));
      joined.put(chunk, std::move(scores));
    }
    CHECK(same(set.values(joined.joined()), set.values(*whole)), "chunks of ", cut);
  }
}

TEST(only_comparing_metrics_need_the_float_model) {
  const auto set = [](const MetricSpec& spec) { return MetricSet({spec}, {5, 10, {2, 2, 2, 2, 2}}); };
  for (const char* name : {"accuracy", "loss", "confusion_matrix"}) CHECK(!set({name, {}}).needs_reference(), name);
  for (const char* name : {"output_mse", "output_sqnr", "output_kl", "agreement"})
    CHECK(set({name, {}}).needs_reference(), name);
}

TEST(labels_are_optional) {
  Case c = make_case(100, 4, false, 1);
  Outputs outputs = c.outputs();
  const std::vector<MetricSpec> specs{{"output_mse", {}}, {"output_kl", {}}, {"agreement", {}}};
  const std::vector<MetricValue> expected = score(outputs, specs, 1);
  outputs.labels = nullptr;
  CHECK(same(score(outputs, specs, 1), expected));
  CHECK_REFUSED("metric 'accuracy' needs labels, and there are none", score(outputs, {{"accuracy", {}}}, 1));
  CHECK_REFUSED("metric 'loss' needs labels", score(outputs, {{"loss", {}}}, 1));
}

TEST(bad_metrics_are_refused) {
  const Case c = make_case(10, 4, false, 1);
  CHECK_REFUSED("metric 'acuracy' is not known; known: accuracy, ", one(c, "acuracy"));
  CHECK_REFUSED("metric 'accuracy': option 'k' is not known; known: none", one(c, "accuracy", {{"k", 1}}));
  CHECK_REFUSED("metric 'top_k': option k is missing", one(c, "top_k"));
  CHECK_REFUSED("metric 'top_k': k must be 1..4, got 5", one(c, "top_k", {{"k", 5}}));
  CHECK_REFUSED("metric 'loss': mean_of_batches must be 0 or more, got -1", one(c, "loss", {{"mean_of_batches", -1}}));
  const auto with = [&](auto change) {
    Outputs outputs = c.outputs();
    change(outputs);
    score(outputs, {{"agreement", {}}}, 1);
  };
  CHECK_REFUSED("have no rows", with([](Outputs& o) { o.rows = 0; }));
  CHECK_REFUSED("1..65536 classes, got 0", with([](Outputs& o) { o.classes = 0; }));
  CHECK_REFUSED("give its logits as the reference", with([](Outputs& o) { o.reference = nullptr; }));
  CHECK_REFUSED("y[0] is ", with([](Outputs& o) {
                  o.classes = 1;
                  o.rows = 1;
                  static const int64_t y = 3;
                  o.labels = &y;
                }));
  CHECK_REFUSED("multiple of 4096", MetricSet({}, {5, 10, {}}).start(64));
}

}  // namespace
}  // namespace chop::evaluator
