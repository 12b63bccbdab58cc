// Products of small row-major matrices against the plain loops.
#include "chop/kernels/kernels.h"
#include "samples.h"
#include "test.h"

namespace chop {
namespace {

using namespace testing;

struct Sizes {
  int m, n, k;
  bool row_bias, column_bias;
  int gap;  // unused floats between the rows of c
};

std::vector<Sizes> all_sizes() {
  std::vector<Sizes> sizes;
  for (const int n : awkward_sizes(301))
    for (const int m : {1, 2, 3, 4, 7, 8, 9, 17}) sizes.push_back({m, n, n % 7 + 1, n % 2 == 0, m % 2 == 0, n % 3});
  for (const int k : awkward_sizes(301)) sizes.push_back({9, 33, k, true, false, 1});
  for (const int m : awkward_sizes(301)) sizes.push_back({m, 5, 3, false, true, 0});
  return sizes;
}

int64_t padded(int n) { return (n + kPanel - 1) / kPanel * kPanel; }

// Every buffer ends where the kernel may no longer read or write.
struct Buffers {
  Buffers(const Sizes& s, std::vector<float> (*values)(int64_t, uint64_t))
      : a(values(int64_t{s.m} * s.k, 1)),
        b(values(s.k * padded(s.n), 2)),
        rows(values(s.m, 3)),
        columns(values(padded(s.n), 4)),
        c(static_cast<size_t>((s.m - 1) * (s.n + s.gap) + s.n), 77.0f) {}

  MatrixProduct product(const Sizes& s) {
    return {.a = a.data(),
            .lda = s.k,
            .b = b.data(),
            .ldb = padded(s.n),
            .row_bias = s.row_bias ? rows.data() : nullptr,
            .column_bias = s.column_bias ? columns.data() : nullptr,
            .c = c.data(),
            .ldc = s.n + s.gap,
            .m = s.m,
            .n = s.n,
            .k = s.k};
  }

  std::vector<float> a, b, rows, columns, c;
};

std::vector<float> whole(int64_t count, uint64_t seed) { return whole_values(count, 127, seed); }
std::vector<float> uniform(int64_t count, uint64_t seed) { return uniform_values(count, -2.0f, 2.0f, seed); }

TEST(matrix_product_of_whole_numbers_is_exact_and_stays_in_its_columns) {
  for (const Sizes& s : all_sizes()) {
    Buffers expected(s, whole);
    reference_kernels.matrix_product(expected.product(s));
    for (const Isa isa : available_isas()) {
      Buffers found(s, whole);
      kernels(isa).matrix_product(found.product(s));
      const int64_t at = first_difference(found.c, expected.c);
      CHECK(at < 0, kernels(isa).isa, " m ", s.m, " n ", s.n, " k ", s.k, " at ", at);
    }
  }
}

TEST(matrix_product_of_any_numbers_is_close) {
  for (const Sizes& s : all_sizes()) {
    Buffers expected(s, uniform);
    reference_kernels.matrix_product(expected.product(s));
    for (const Isa isa : available_isas()) {
      Buffers found(s, uniform);
      kernels(isa).matrix_product(found.product(s));
      for (size_t i = 0; i < found.c.size(); ++i) {
        // Each of the k + 2 terms is at most 4 and is rounded once or twice.
        const float tolerance = 4.0f * static_cast<float>(s.k + 2) * 0x1p-23f * 2.0f;
        CHECK(std::fabs(found.c[i] - expected.c[i]) <= tolerance, kernels(isa).isa, " n ", s.n, " k ", s.k);
      }
    }
  }
}

TEST(matrix_product_passes_special_values_on) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  for (const Isa isa : available_isas()) {
    const Sizes s{9, 33, 4, true, false, 0};
    Buffers found(s, whole);
    found.a[2 * 4 + 1] = nan;
    found.a[5 * 4 + 3] = infinity;
    for (float& value : found.b) value = 1.0f;
    kernels(isa).matrix_product(found.product(s));
    for (int m = 0; m < s.m; ++m)
      for (int n = 0; n < s.n; ++n) {
        const float value = found.c[static_cast<size_t>(m * s.n + n)];
        const bool right = m == 2 ? std::isnan(value) : m == 5 ? value == infinity : std::isfinite(value);
        CHECK(right, kernels(isa).isa, " row ", m, " column ", n, ": ", value);
      }
  }
}

}  // namespace
}  // namespace chop
