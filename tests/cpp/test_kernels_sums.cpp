// Kernels that add up over classes, against the plain loops.
#include <algorithm>

#include "chop/kernels/kernels.h"
#include "samples.h"
#include "test.h"

namespace chop {
namespace {

using namespace testing;

std::vector<uint16_t> some_labels(int classes) {
  Random random(static_cast<uint64_t>(classes));
  std::vector<uint16_t> labels(kBlock);
  for (uint16_t& label : labels) label = static_cast<uint16_t>(random.below(classes));
  return labels;
}

void compare_classify(const KernelTable& k, const std::vector<float>& logits, int classes, int valid) {
  const std::vector<uint16_t> labels = some_labels(classes);
  BlockScore score, expected;
  for (const bool want_loss : {true, false}) {
    k.classify(logits.data(), classes, labels.data(), valid, want_loss, &score);
    reference_kernels.classify(logits.data(), classes, labels.data(), valid, want_loss, &expected);
    CHECK(std::equal(score.predicted, score.predicted + kBlock, expected.predicted), k.isa, " classes ", classes);
    // Each row's exponentials are float (about 1e-7 relative); the sum over rows is double.
    const double tolerance = 1e-6 * valid + 1e-6 * std::fabs(expected.loss);
    CHECK(same_bits(score.loss, expected.loss) || std::fabs(score.loss - expected.loss) <= tolerance, k.isa,
          " classes ", classes, " valid ", valid, ": ", score.loss, " instead of ", expected.loss);
  }
}

TEST(classify_equals_the_reference) {
  for (const Isa isa : available_isas())
    for (const int classes : {1, 2, 3, 5, 8, 10, 33, 1001})
      for (const int valid : {1, 2, 7, 8, 9, 31, 32, 33, 63, 64}) {
        const int64_t count = int64_t{classes} * kBlock;
        for (const float spread : {0.1f, 5.0f, 200.0f})
          compare_classify(kernels(isa), uniform_values(count, -spread, spread, 9), classes, valid);
        compare_classify(kernels(isa), whole_values(count, 2, 9), classes, valid);  // ties
      }
}

TEST(classify_takes_the_first_of_equals_and_the_first_nan) {
  for (const Isa isa : available_isas()) {
    std::vector<float> logits(4 * kBlock, 1.0f);
    const auto at = [&](int c, int s) -> float& { return logits[static_cast<size_t>(c * kBlock + s)]; };
    at(1, 1) = 2.0f, at(3, 1) = 2.0f;                  // tie between 1 and 3
    at(2, 2) = NAN, at(3, 2) = NAN, at(1, 2) = 1e30f;  // the first NaN beats all
    at(0, 3) = -INFINITY, at(1, 3) = INFINITY, at(2, 3) = INFINITY;
    for (int c = 0; c < 4; ++c) at(c, 4) = -INFINITY;
    BlockScore score;
    const std::vector<uint16_t> labels(kBlock, 0);
    kernels(isa).classify(logits.data(), 4, labels.data(), kBlock, true, &score);
    CHECK(score.predicted[0] == 0 && score.predicted[1] == 1 && score.predicted[2] == 2, isa_name(isa));
    CHECK(score.predicted[3] == 1 && score.predicted[4] == 0 && std::isnan(score.loss), isa_name(isa));
    compare_classify(kernels(isa), logits, 4, 2);  // the NaN rows lie behind the valid ones
    CHECK((kernels(isa).classify(logits.data(), 4, labels.data(), 2, true, &score), std::isfinite(score.loss)));
  }
}

}  // namespace
}  // namespace chop
