// Encodings of every instruction set that this processor has, against the plain loops, bit for bit.
#include <cmath>

#include "products.h"

namespace chop {
namespace {

using namespace testing;

constexpr int kRows = 40;

Packed encode(const KernelTable& k, const std::vector<float>& x, const std::vector<int32_t>& rows,
              const Finish& finish) {
  Encode e;
  e.x = x.data();
  e.rows = rows.data();
  e.groups = static_cast<int>(rows.size()) / channels_of(finish.to);
  e.finish = finish;
  Packed y(int64_t{e.groups} * kGroupBytes, 77);
  e.y = y.data();
  k.encode(e);
  return y;
}

// Rows in order, out of order, repeated and missing.
std::vector<int32_t> some_rows(int count, uint64_t seed) {
  Random random(seed);
  std::vector<int32_t> rows;
  for (int i = 0; i < count; ++i) {
    const int64_t way = random.below(4);
    rows.push_back(way == 0   ? -1
                   : way == 1 ? static_cast<int32_t>(random.below(kRows))
                              : static_cast<int32_t>((i + random.below(2)) % kRows));
  }
  return rows;
}

TEST(encodings_equal_the_reference) {
  const std::vector<float> alpha = uniform_values(kRows, -2.0f, 2.0f, 1), beta = uniform_values(kRows, -2.0f, 2.0f, 2);
  std::vector<float> x = awkward_values<float>(kRows * kBlock, 0.0625f, -128.0f, 127.0f, 3);
  const std::vector<float> with_nan = x;
  for (float& v : x) v = std::isnan(v) ? 1.0f : v;
  uint64_t seed = 1;
  for (const Finish& finish : finishes_of(alpha.data(), beta.data()))
    for (const int groups : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}) {
      const std::vector<int32_t> rows = some_rows(groups * channels_of(finish.to), ++seed);
      const std::vector<float>& from = finish.to == Encoding::f32 ? with_nan : x;
      const Packed expected = encode(reference_kernels, from, rows, finish);
      for (const Isa isa : available_isas()) {
        const int64_t at = first_difference(encode(kernels(isa), from, rows, finish), expected, finish.to);
        CHECK(at < 0, isa_name(isa), " groups ", groups, text(finish), " at ", at);
      }
    }
}

// NaN may become any code, but no other number may suffer.
TEST(encoded_nan_stays_alone) {
  const std::vector<int32_t> rows{0, 1, 2, 3};
  std::vector<float> x(4 * kBlock, 1.0f);
  for (size_t s = 0; s < kBlock; ++s) x[(s % 4) * kBlock + s] = s % 8 < 4 ? NAN : -NAN;
  for (const Finish& finish : finishes_of(nullptr, nullptr))
    for (const Isa isa : available_isas()) {
      if (finish.to == Encoding::f32) continue;
      const Packed y = encode(kernels(isa), x, rows, finish);
      const Packed expected = encode(kernels(isa), std::vector<float>(4 * kBlock, 1.0f), rows, finish);
      const int channels = channels_of(finish.to);
      for (int c = 0; c < 4; ++c)
        for (int s = 0; s < kBlock; ++s) {
          const int64_t i = (int64_t{c} / channels * kBlock + s) * channels + c % channels;
          const bool same = channels == 4 ? y.get<uint8_t>(i) == expected.get<uint8_t>(i)
                                          : y.get<int16_t>(i) == expected.get<int16_t>(i);
          CHECK(same || s % 4 == c, isa_name(isa), text(finish), " channel ", c, " sample ", s);
        }
    }
}

}  // namespace
}  // namespace chop
