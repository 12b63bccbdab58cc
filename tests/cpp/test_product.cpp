// Products of every instruction set that this processor has, against the plain loops, bit for bit.
#include <algorithm>
#include <cmath>
#include <memory>

#include "products.h"

namespace chop {
namespace {

using namespace testing;

// Sizes from the seed: small ones that leave tails everywhere, and positions, taps and padding now and then.
Shape some_shape(int out, int channels, uint64_t seed, const Kind& kind) {
  Random random(seed);
  Shape shape;
  shape.out = out, shape.channels = channels, shape.seed = seed;
  if (random.below(2) == 0) {
    shape.taps = static_cast<int>(1 + random.below(4));
    shape.positions = static_cast<int>(1 + random.below(5));
    shape.places = static_cast<int>(1 + random.below(6));
    shape.padded = random.below(2) == 0;
  }
  shape.bias = random.below(4) != 0;
  if (kind.integers && random.below(2) == 0) shape.shift = static_cast<int>(random.below(9));
  if (kind.x == Encoding::u8x4 && random.below(2) == 0) shape.zero = 128;
  shape.added = kind.integers && random.below(3) == 0;
  return shape;
}

// Random numbers of which every sum stays within what the kind promises.
Problem some_problem(const Kind& kind, const Shape& shape, bool extreme) {
  auto random = std::make_shared<Random>(shape.seed + 7);
  const double count = double{1} * shape.channels * shape.taps;
  const auto whole = [&](int64_t largest) {
    return [random, largest, extreme] {
      if (extreme) return static_cast<double>(random->below(2) == 0 ? largest : -largest);
      return static_cast<double>(random->below(2 * largest + 1) - largest);
    };
  };
  const auto problem = [&](auto x, auto w, auto b) {
    return Problem(
        kind, shape, [x](int, int, int) { return x(); }, [w](int, int, int) { return w(); }, [b](int) { return b(); });
  };
  if (kind.x == Encoding::u8x4)
    return problem([random, extreme] { return extreme ? 255.0 : static_cast<double>(random->below(256)); },
                   [random, extreme] { return extreme ? -128.0 : static_cast<double>(random->below(256) - 128); },
                   whole(1 << 20));
  if (kind.integers) {
    const double limit = std::ldexp(1.0, 30 - shape.shift) / count;
    const auto x = static_cast<int64_t>(std::min(std::sqrt(limit), 32767.0));
    const auto w = static_cast<int64_t>(std::min(limit / static_cast<double>(x), 32767.0));
    return problem(whole(x), whole(w), whole(1 << 20));
  }
  const auto largest = static_cast<int64_t>(std::sqrt(std::ldexp(1.0, 23) / count));
  return problem(whole(largest), whole(largest), whole(1 << 20));
}

const std::vector<float>& factors(bool beta) {
  static const std::vector<float> a = uniform_values(64, -0.01f, 0.02f, 31), b = uniform_values(64, -9.0f, 9.0f, 32);
  return beta ? b : a;
}
const std::vector<Finish>& finishes() {
  static const std::vector<Finish> all = finishes_of(factors(false).data(), factors(true).data());
  return all;
}

void compare(const Problem& problem, const Finish& finish, float scale) {
  const Packed expected = problem.run(reference_kernels, finish, scale);
  for (const Isa isa : available_isas()) {
    const Packed y = problem.run(kernels(isa), finish, scale);
    const int64_t at = first_difference(y, expected, finish.to);
    CHECK(at < 0, problem.kind.name, " ", isa_name(isa), " ", problem.shape.text(), text(finish), " at ", at);
  }
}

const Kind* const kKinds[] = {&kU8, &kS16, &kWhole, &kExact, &kOrdered, &kWide};

TEST(products_of_every_size_equal_the_reference) {
  uint64_t seed = 1;
  for (const Kind* kind : kKinds)
    for (int out = 1; out <= 10; ++out)
      for (int groups = 1; groups <= 9; ++groups) {
        const int per_group = channels_of(kind->x);
        const int channels = groups * per_group - static_cast<int>(++seed % static_cast<uint64_t>(per_group));
        const Shape shape = some_shape(out, channels, seed, *kind);
        const Problem problem = some_problem(*kind, shape, seed % 5 == 0);
        for (const size_t i : {seed % finishes().size(), seed / 2 % finishes().size()})
          compare(problem, finishes()[i], kind->integers ? 0.0625f : 1.0f);
      }
}

TEST(products_of_large_layers_equal_the_reference) {
  uint64_t seed = 1000;
  for (const Kind* kind : kKinds)
    for (const int channels : {63, 64, 65, 128, 513}) {
      ++seed;
      const Shape shape = some_shape(static_cast<int>(seed % 7) + 15, channels, seed, *kind);
      const Problem problem = some_problem(*kind, shape, seed % 2 == 0);
      compare(problem, finishes()[seed % finishes().size()], kind->integers ? 0.0625f : 1.0f);
    }
}

TEST(products_end_in_every_finish) {
  for (const Kind* kind : kKinds)
    for (const int out : {1, 2, 3, 4, 7})
      for (const Finish& finish : finishes())
        for (const float scale : {1.0f, 0x1p-9f}) {
          if (!kind->integers && scale != 1.0f) continue;
          Shape shape = some_shape(out, 5, static_cast<uint64_t>(out), *kind);
          for (const bool added : {false, true}) {
            if (added && !kind->integers) continue;
            shape.added = added;
            compare(some_problem(*kind, shape, false), finish, scale);
          }
        }
}

TEST(products_shift_every_way) {
  for (const Kind* kind : {&kU8, &kS16, &kWhole})
    for (int shift = 0; shift <= 8; ++shift)
      for (const bool bias : {false, true}) {
        Shape shape = some_shape(5, 7, 77, *kind);
        shape.shift = shift, shape.bias = bias;
        for (size_t i = 0; i < finishes().size(); i += 5)
          compare(some_problem(*kind, shape, true), finishes()[i], 0.5f);
      }
}

// Sums that round, and NaN, infinities and zeros of both signs: the order is fixed, so the bits are.
TEST(ordered_and_wide_products_have_the_same_bits_everywhere) {
  uint64_t seed = 1;
  for (const Kind* kind : {&kOrdered, &kWide})
    for (const bool special : {false, true})
      for (int out = 1; out <= 9; ++out)
        for (const int channels : {1, 2, 3, 16, 17, 65}) {
          const Shape shape = some_shape(out, channels, ++seed, *kind);
          const std::vector<float> values =
              special ? awkward_values<float>(4096, 1.0f, -2.0f, 2.0f, seed) : uniform_values(4096, -3.0f, 3.0f, seed);
          Random random(seed);
          const auto any = [&](auto...) { return values[static_cast<size_t>(random.below(4096))]; };
          const Problem problem(*kind, shape, any, any, any);
          for (const Finish& finish : finishes())
            if (finish.to == Encoding::f32 || !special) compare(problem, finish, 1.0f);
        }
}

}  // namespace
}  // namespace chop
