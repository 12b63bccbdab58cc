// Counts of predictions and the loss: the counts equal the plain loops', the loss has the same bits on every
// instruction set.
#include <cmath>

#include "chop/kernels/kernels.h"
#include "samples.h"
#include "test.h"

namespace chop {
namespace {

using namespace testing;

std::vector<uint16_t> labels_of(int classes) {
  Random random(static_cast<uint64_t>(classes) + 5);
  std::vector<uint16_t> labels(kBlock);
  for (uint16_t& label : labels) label = static_cast<uint16_t>(random.below(classes));
  return labels;
}

struct Found {
  std::vector<int64_t> predicted, correct;
  double loss = 0.0;
};

// The counts start at 100: they must be added to.
Found count(const KernelTable& k, const std::vector<float>& logits, int classes, int valid, bool want_loss) {
  Found found;
  found.predicted.assign(static_cast<size_t>(classes), 100);
  found.correct.assign(static_cast<size_t>(classes), 100);
  found.loss = k.classify_counts(logits.data(), classes, labels_of(classes).data(), valid, want_loss,
                                 found.predicted.data(), found.correct.data());
  return found;
}

void compare(const std::vector<float>& logits, int classes, int valid) {
  for (const bool want_loss : {true, false}) {
    const Found expected = count(reference_kernels, logits, classes, valid, want_loss);
    const Found first = count(kernels(Isa::baseline), logits, classes, valid, want_loss);
    const double tolerance = 3e-7 * valid + 3e-7 * std::fabs(expected.loss);
    CHECK(same_bits(first.loss, expected.loss) || std::fabs(first.loss - expected.loss) <= tolerance, "classes ",
          classes, " valid ", valid, ": ", first.loss, " instead of ", expected.loss);
    for (const Isa isa : available_isas()) {
      const Found found = count(kernels(isa), logits, classes, valid, want_loss);
      CHECK(found.predicted == expected.predicted && found.correct == expected.correct, isa_name(isa), " classes ",
            classes, " valid ", valid, " loss ", want_loss);
      CHECK(same_bits(found.loss, first.loss), isa_name(isa), " classes ", classes, " valid ", valid, ": ", found.loss,
            " and ", first.loss);
      BlockScore score;  // the other entry has the same arithmetic
      kernels(isa).classify(logits.data(), classes, labels_of(classes).data(), valid, want_loss, &score);
      CHECK(same_bits(found.loss, score.loss), isa_name(isa), " classes ", classes);
    }
  }
}

TEST(counts_of_predictions_equal_the_reference) {
  for (const int classes : {1, 2, 3, 4, 5, 10, 31, 32, 33, 255, 256, 257, 1001})
    for (const int valid : {1, 2, 31, 32, 33, 63, 64}) {
      const int64_t numbers = int64_t{classes} * kBlock;
      const auto seed = static_cast<uint64_t>(classes * 64 + valid);
      for (const float spread : {0.01f, 1.0f, 10.0f, 300.0f})
        compare(uniform_values(numbers, -spread, spread, seed), classes, valid);
      compare(whole_values(numbers, 2, seed), classes, valid);  // ties
    }
}

TEST(counts_of_special_numbers_equal_the_reference) {
  for (const int classes : {1, 2, 5, 40})
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      Random random(seed);
      std::vector<float> logits = uniform_values(int64_t{classes} * kBlock, -3.0f, 3.0f, seed);
      const float special[] = {NAN, INFINITY, -INFINITY, 0.0f, -0.0f, 1e-45f, 1e38f};
      for (float& v : logits)
        if (random.below(seed < 10 ? 200 : 4) == 0) v = special[random.below(7)];
      compare(logits, classes, static_cast<int>(1 + random.below(64)));
    }
}

// Sums of logits that overflow, though no logit does.
TEST(counts_of_huge_numbers_equal_the_reference) {
  std::vector<float> logits = uniform_values(5 * kBlock, 1e38f, 3e38f, 1);
  for (const Isa isa : available_isas()) {
    const Found found = count(kernels(isa), logits, 5, kBlock, false);
    const Found expected = count(reference_kernels, logits, 5, kBlock, false);
    CHECK(found.predicted == expected.predicted && found.correct == expected.correct, isa_name(isa));
  }
}

// The largest number of classes that a label can name, all with the same logit: the product of the sums is 2^1024.
TEST(loss_of_very_many_classes_is_finite) {
  const int classes = 65536;
  const std::vector<float> logits(static_cast<size_t>(classes) * kBlock, 1.0f);
  for (const Isa isa : available_isas()) {
    const double loss = count(kernels(isa), logits, classes, kBlock, true).loss;
    CHECK(std::fabs(loss - 64 * std::log(65536.0)) < 1e-3, isa_name(isa), " ", loss);
  }
}

}  // namespace
}  // namespace chop
