// Kernels behind the metrics of outputs: near the plain loops, and the same bits on every instruction set.
#include <cmath>

#include "chop/kernels/kernels.h"
#include "samples.h"
#include "test.h"

namespace chop {
namespace {

using namespace testing;

struct Found {
  std::vector<double> numbers;  // row losses, error, signal, divergence
};

Found run(const KernelTable& k, const std::vector<float>& logits, const std::vector<float>& reference, int classes,
          int valid) {
  std::vector<uint16_t> labels(kBlock);
  for (int s = 0; s < kBlock; ++s) labels[static_cast<size_t>(s)] = static_cast<uint16_t>(s * 7 % classes);
  Found found{std::vector<double>(static_cast<size_t>(valid), 77.0)};
  k.outputs.row_losses(logits.data(), classes, labels.data(), valid, found.numbers.data());
  const SquareSums sums = k.outputs.squares(logits.data(), reference.data(), classes, valid);
  found.numbers.push_back(sums.error);
  found.numbers.push_back(sums.signal);
  found.numbers.push_back(k.outputs.divergence(logits.data(), reference.data(), classes, valid));
  return found;
}

bool close(double a, double b, double tolerance) {
  return same_bits(a, b) || std::fabs(a - b) <= tolerance * (1.0 + std::fabs(b));
}

void compare(const std::vector<float>& logits, const std::vector<float>& reference, int classes, int valid) {
  const Found expected = run(reference_kernels, logits, reference, classes, valid);
  const Found baseline = run(kernels(Isa::baseline), logits, reference, classes, valid);
  for (size_t i = 0; i < expected.numbers.size(); ++i)
    CHECK(close(baseline.numbers[i], expected.numbers[i], 1e-12), "classes ", classes, " valid ", valid, " number ", i,
          " of ", expected.numbers.size(), ": ", baseline.numbers[i], " not ", expected.numbers[i]);
  for (const Isa isa : available_isas())
    CHECK(first_difference(run(kernels(isa), logits, reference, classes, valid).numbers, baseline.numbers) < 0,
          kernels(isa).isa, " classes ", classes, " valid ", valid);
}

TEST(output_kernels_equal_the_reference) {
  for (const int classes : awkward_sizes(301))
    for (const int valid : {1, 2, 7, 31, 32, 33, 63, 64})
      for (const float spread : {0.01f, 3.0f, 1000.0f}) {
        if (classes > 40 && valid != 33) continue;
        const std::vector<float> logits = uniform_values(classes * kBlock, -spread, spread, 9);
        compare(logits, uniform_values(classes * kBlock, -spread, spread, 10), classes, valid);
        compare(logits, logits, classes, valid);
      }
}

TEST(output_kernels_take_special_values) {
  for (const int classes : {1, 2, 3, 8}) {
    const int64_t count = classes * kBlock;
    const std::vector<float> reference = uniform_values(count, -3.0f, 3.0f, 1);
    for (uint64_t seed = 0; seed < 20; ++seed) {
      const std::vector<float> logits = awkward_values<float>(count, 1.0f, -2.0f, 2.0f, seed);
      for (const int valid : {1, 2, 3}) {
        compare(logits, reference, classes, valid);
        compare(reference, logits, classes, valid);
      }
    }
  }
}

}  // namespace
}  // namespace chop
