// Metrics against plain loops in long double.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "metric_cases.h"

namespace chop::evaluator {
namespace {

using namespace testing;

// The order of the classes of a row: NaN first, then the larger, then the lower class.
std::vector<int64_t> ranking(const float* z, int64_t classes) {
  std::vector<int64_t> order(static_cast<size_t>(classes));
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    if (std::isnan(z[a]) || std::isnan(z[b])) return std::isnan(z[a]) && !std::isnan(z[b]);
    return z[a] > z[b];
  });
  return order;
}

int64_t top(const float* z, int64_t classes) { return ranking(z, classes)[0]; }

long double log_partition(const float* z, int64_t classes) {
  const long double most = *std::max_element(z, z + classes);
  long double sum = 0.0L;
  for (int64_t c = 0; c < classes; ++c) sum += std::exp(static_cast<long double>(z[c]) - most);
  return std::log(sum) + most;
}

long double row_loss(const Case& c, int64_t r) {
  return log_partition(c.row(r), c.classes) - static_cast<long double>(c.row(r)[c.label(r)]);
}

void check_close(double found, long double expected, double tolerance, const char* what, const Case& c) {
  CHECK(std::fabs(static_cast<long double>(found) - expected) <= tolerance * (1.0L + std::fabs(expected)), what,
        " rows ", c.rows, " classes ", c.classes, " found ", found, " expected ", static_cast<double>(expected));
}

std::vector<double> confusion(const Case& c) {
  std::vector<double> counts(static_cast<size_t>(c.classes * c.classes), 0.0);
  for (int64_t r = 0; r < c.rows; ++r)
    counts[static_cast<size_t>(c.label(r) * c.classes + top(c.row(r), c.classes))] += 1.0;
  return counts;
}

struct ClassCounts {
  double support = 0.0, predicted = 0.0, correct = 0.0;
};

std::vector<ClassCounts> class_counts(const Case& c) {
  const std::vector<double> matrix = confusion(c);
  std::vector<ClassCounts> counts(static_cast<size_t>(c.classes));
  for (size_t i = 0; i < counts.size(); ++i) {
    counts[i].correct = matrix[i * counts.size() + i];
    for (size_t j = 0; j < counts.size(); ++j) {
      counts[i].support += matrix[i * counts.size() + j];
      counts[i].predicted += matrix[j * counts.size() + i];
    }
  }
  return counts;
}

TEST(counts_of_a_classification) {
  for_each_case([](const Case& c) {
    const std::vector<MetricValue> found = score(c.outputs(),
                                                 {{"confusion_matrix", {}},
                                                  {"per_class_recall", {}},
                                                  {"per_class_precision", {}},
                                                  {"per_class_f1", {}},
                                                  {"accuracy", {}},
                                                  {"accuracy_micro", {}},
                                                  {"macro_f1", {}}},
                                                 1);
    CHECK(found[0].numbers == confusion(c) && found[0].integral, "rows ", c.rows, " classes ", c.classes);
    CHECK((found[0].shape == std::vector<int64_t>{c.classes, c.classes}));
    CHECK((found[1].shape == std::vector<int64_t>{c.classes}) && found[4].shape.empty() && !found[4].integral);
    const std::vector<ClassCounts> counts = class_counts(c);
    double recalls = 0.0, f1s = 0.0, right = 0.0, occurring = 0.0;
    for (size_t i = 0; i < counts.size(); ++i) {
      const auto [support, predicted, correct] = counts[i];
      CHECK(same_bits(found[1].numbers[i], correct / support));
      CHECK(same_bits(found[2].numbers[i], correct / predicted));
      CHECK(same_bits(found[3].numbers[i], 2.0 * correct / (support + predicted)));
      right += correct;
      if (support + predicted == 0.0) continue;
      occurring += 1.0;
      recalls += support > 0.0 ? correct / support : 0.0;
      f1s += 2.0 * correct / (support + predicted);
    }
    CHECK(found[4].numbers[0] == recalls / occurring && found[6].numbers[0] == f1s / occurring);
    CHECK(found[5].numbers[0] == right / static_cast<double>(c.rows));
  });
}

TEST(loss_is_the_mean_cross_entropy) {
  for_each_case([](const Case& c) {
    long double sum = 0.0L;
    for (int64_t r = 0; r < c.rows; ++r) sum += row_loss(c, r);
    check_close(one(c, "loss")[0], sum / static_cast<long double>(c.rows), 1e-6, "loss", c);
  });
}

TEST(loss_of_batches_is_the_mean_of_their_means) {
  for (const int64_t rows : kRows)
    for (const int64_t batch : {int64_t{1}, int64_t{7}, int64_t{63}, int64_t{64}, int64_t{100}, int64_t{192},
                                int64_t{512}, int64_t{4096}, int64_t{5000}, int64_t{6400}, INT64_MAX}) {
      const Case c = make_case(rows, 5, false, 11);
      long double means = 0.0L, batches = 0.0L;
      for (int64_t first = 0, end; first < rows; first = end) {
        end = batch < rows - first ? first + batch : rows;
        long double sum = 0.0L;
        for (int64_t r = first; r < end; ++r) sum += row_loss(c, r);
        means += sum / static_cast<long double>(end - first);
        batches += 1.0L;
      }
      // Single rows are computed in double, whole blocks with the exponentials of the fast road.
      check_close(one(c, "loss", {{"mean_of_batches", batch}})[0], means / batches, batch % 64 ? 1e-13 : 1e-6,
                  "loss of batches", c);
    }
}

TEST(top_k_is_the_place_of_the_label) {
  for_each_case([](const Case& c) {
    for (const int64_t k : {int64_t{1}, std::min<int64_t>(2, c.classes), c.classes}) {
      double right = 0.0;
      for (int64_t r = 0; r < c.rows; ++r) {
        const std::vector<int64_t> order = ranking(c.row(r), c.classes);
        right += std::find(order.begin(), order.begin() + k, c.label(r)) != order.begin() + k;
      }
      CHECK(one(c, "top_k", {{"k", k}})[0] == right / static_cast<double>(c.rows), "rows ", c.rows, " classes ",
            c.classes, " k ", k);
    }
    CHECK(one(c, "top_k", {{"k", 1}}) == one(c, "accuracy_micro") && one(c, "top_k", {{"k", c.classes}})[0] == 1.0);
  });
}

TEST(outputs_against_the_float_model) {
  for_each_case([](const Case& c) {
    long double error = 0.0L, signal = 0.0L, kl = 0.0L;
    double equal = 0.0;
    for (int64_t r = 0; r < c.rows; ++r) {
      const float *z = c.row(r), *f = c.reference_row(r);
      const long double lse = log_partition(z, c.classes), lse_reference = log_partition(f, c.classes);
      for (int64_t i = 0; i < c.classes; ++i) {
        const long double difference = static_cast<long double>(z[i]) - static_cast<long double>(f[i]);
        error += difference * difference;
        signal += static_cast<long double>(f[i]) * static_cast<long double>(f[i]);
        const long double log_p = static_cast<long double>(f[i]) - lse_reference;
        kl += std::exp(log_p) * (log_p - (static_cast<long double>(z[i]) - lse));
      }
      equal += top(z, c.classes) == top(f, c.classes);
    }
    const auto n = static_cast<long double>(c.rows);
    check_close(one(c, "output_mse")[0], error / (n * static_cast<long double>(c.classes)), 1e-14, "mse", c);
    if (error > 0.0L) check_close(one(c, "output_sqnr")[0], 10.0L * std::log10(signal / error), 1e-13, "sqnr", c);
    check_close(one(c, "output_kl")[0], kl / n, 1e-13, "kl", c);
    CHECK(one(c, "agreement")[0] == equal / static_cast<double>(c.rows));
  });
}

TEST(nan_and_infinity_in_metrics) {
  const float nan = std::nanf(""), inf = std::numeric_limits<float>::infinity();
  Case c{4, 3, {0, 1, 2, nan, 1, nan, 5, -inf, 0, 1, 1, 0}, {0, 1, 2, 0, 1, 2, 5, 1, 0, 1, 1, 0}, {2, 0, 0, 1}};
  CHECK((one(c, "confusion_matrix") == std::vector<double>{2, 0, 0, 1, 0, 0, 0, 0, 1}));
  for (const char* name : {"loss", "output_mse", "output_sqnr", "output_kl"}) CHECK(std::isnan(one(c, name)[0]), name);
  CHECK(std::isnan(one(c, "loss", {{"mean_of_batches", 1}})[0]));
  CHECK(one(c, "top_k", {{"k", 1}})[0] == 0.75 && one(c, "top_k", {{"k", 2}})[0] == 1.0);
  CHECK(one(c, "agreement")[0] == 0.75);
  c.logits = {0, 1, 2, 0, 1, 2, 5, -inf, 0, 1, 1, 0};
  CHECK(std::isfinite(one(c, "loss")[0]) && std::isfinite(one(c, "loss", {{"mean_of_batches", 3}})[0]));
  CHECK(one(c, "output_kl")[0] == inf && one(c, "output_sqnr")[0] == -inf && one(c, "output_mse")[0] == inf);
  c.labels[2] = 1;
  CHECK(one(c, "loss")[0] == inf && one(c, "loss", {{"mean_of_batches", 3}})[0] == inf);
  c.reference = c.logits;
  CHECK(one(c, "output_kl")[0] == 0.0);
  c.logits = c.reference = {0, 1, 2, 0, 1, 2, 5, 1, 0, 1, 1, 0};
  CHECK(one(c, "output_sqnr")[0] == inf && one(c, "output_mse")[0] == 0.0 && one(c, "output_kl")[0] == 0.0);
}

}  // namespace
}  // namespace chop::evaluator
