// Sums of squared errors: the kernels against the plain loops, and what may not change them.
#include "chop/core/fixed_point.h"
#include "chop/kernels/kernels.h"
#include "chop/statistics/quantization_errors.h"
#include "samples.h"
#include "test.h"

namespace chop {
namespace {

using namespace testing;
using statistics::QuantizationErrors;

std::vector<GridF32> some_grids() {
  std::vector<GridF32> grids{{1.0f, 1.0f, 0.0f, 0.0f}};
  for (const FixedPoint& f : {FixedPoint{8, 4, true}, {8, 4, false}, {1, 0, true}, {32, 16, true}, {8, -64, true}})
    grids.push_back({static_cast<float>(f.inverse_scale()), static_cast<float>(f.scale()), static_cast<float>(f.qmin()),
                     static_cast<float>(f.qmax())});
  return grids;
}

TEST(squared_errors_have_the_same_bits_everywhere) {
  const std::vector<GridF32> grids = some_grids();
  const auto count = static_cast<int>(grids.size());
  for (const Isa isa : available_isas())
    for (const int size : awkward_sizes(10007))
      for (const int place : {0, 1, 15, 1000003}) {
        const std::vector<float> x = awkward_values<float>(size, 0.0625f, -128.0f, 127.0f, static_cast<uint64_t>(size));
        std::vector<double> sums(grids.size() * kErrorLanes, 0.5), expected(sums);
        kernels(isa).squared_errors(x.data(), size, place, grids.data(), count, sums.data());
        reference_kernels.squared_errors(x.data(), size, place, grids.data(), count, expected.data());
        const int64_t at = first_difference(sums, expected);
        CHECK(at < 0, isa_name(isa), " size ", size, " place ", place, " at ", at);
      }
}

TEST(squared_errors_of_a_few_numbers) {
  const std::vector<float> x{0.25f, -3.0f, 100.0f, NAN, INFINITY, -INFINITY};
  QuantizationErrors errors(4, true, {0, 1, 2});
  errors.update(x.data(), static_cast<int64_t>(x.size()), ThreadPool(1));
  CHECK(errors.errors()[0] == 0.0625 + 93.0 * 93.0);  // 0, -3, 7
  CHECK(errors.errors()[1] == 0.0625 + 96.5 * 96.5);  // 0 (half to even), -3, 3.5
  CHECK(errors.errors()[2] == 1.0 + 98.25 * 98.25);   // 0.25, -2, 1.75
  CHECK(errors.power() == 0.0625 + 9.0 + 10000.0 && errors.count() == 6);
}

TEST(quantization_errors_depend_on_neither_threads_nor_cuts) {
  const std::vector<float> x = uniform_values(20011, -3.0f, 3.0f, 7);
  const std::vector<int64_t> fracs{-2, 0, 3, 4, 5, 6, 12};
  QuantizationErrors whole(8, true, fracs);
  whole.update(x.data(), static_cast<int64_t>(x.size()), ThreadPool(1));
  for (const int threads : {1, 2, 4, 16}) {
    const ThreadPool pool(threads);
    QuantizationErrors cut(8, true, fracs);
    Random random(static_cast<uint64_t>(threads));
    for (size_t start = 0; start < x.size();) {
      const size_t length = std::min<size_t>(static_cast<size_t>(random.below(3000)), x.size() - start);
      cut.update(x.data() + start, static_cast<int64_t>(length), pool);
      start += length;
    }
    CHECK(first_difference(cut.errors(), whole.errors()) < 0, threads, " threads");
    CHECK(same_bits(cut.power(), whole.power()), threads, " threads");
  }
}

TEST(quantization_errors_refuse_bad_formats) {
  CHECK_REFUSED("width must be 1..32, got 33", QuantizationErrors(33, true, {0}));
  CHECK_REFUSED("frac_width must be -64..64, got 65", QuantizationErrors(8, true, {65}));
}

}  // namespace
}  // namespace chop
