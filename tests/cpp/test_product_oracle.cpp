// Integer products against whole-number arithmetic that shares nothing with the kernels, at the ends of every range.
#include <cmath>

#include "products.h"

namespace chop {
namespace {

using namespace testing;

struct Range {
  int64_t low, high;
};

// A number of the range from its place; the ends are frequent.
int64_t number(const Range& range, uint64_t a, uint64_t b, uint64_t c, uint64_t seed) {
  Random random(seed + a * 1000003 + b * 10007 + c * 101);
  random.bits();
  const int64_t way = random.below(4);
  if (way == 0) return range.low;
  if (way == 1) return range.high;
  return range.low + random.below(range.high - range.low + 1);
}

struct Numbers {
  Range x, weight, bias;
  uint64_t seed;

  int64_t x_at(int c, int place, int s) const {
    return number(x, static_cast<uint64_t>(c), static_cast<uint64_t>(place), static_cast<uint64_t>(s), seed);
  }
  int64_t weight_at(int o, int t, int c) const {
    return number(weight, static_cast<uint64_t>(o), static_cast<uint64_t>(t), static_cast<uint64_t>(c), seed + 1);
  }
  int64_t bias_at(int o) const { return number(bias, static_cast<uint64_t>(o), 0, 0, seed + 2); }
};

int64_t wrapped(int64_t sum) {
  const int64_t word = int64_t{1} << 32;
  const int64_t rest = ((sum % word) + word) % word;
  return rest >= word / 2 ? rest - word : rest;
}

// The sum for one output in whole numbers.
int64_t true_sum(const Problem& p, const Numbers& n, int position, int o, int s) {
  int64_t sum = 0;
  for (int t = 0; t < p.shape.taps; ++t)
    for (int c = 0; c < p.shape.channels; ++c) {
      const int32_t place = p.at[static_cast<size_t>(position * p.shape.taps + t)];
      sum += (place == kPadded ? p.shape.zero : n.x_at(c, place, s)) * n.weight_at(o, t, c);
    }
  return wrapped(sum * (int64_t{1} << p.shape.shift) + (p.shape.bias ? n.bias_at(o) : 0));
}

Finish codes(Encoding to, int zero, double low, double high) {
  Finish f;
  f.to = to, f.zero = zero;
  f.op.rounding = Rounding::codes;
  f.op.grid = {0.125f, 8.0f, static_cast<float>(low), static_cast<float>(high)};
  return f;
}

// What the kernel must have written for output o at that position.
void check_output(const Problem& p, const Packed& y, const Finish& f, int position, int o, int s, int64_t sum,
                  const char* isa) {
  const int channels = channels_of(f.to), groups = (p.shape.out + channels - 1) / channels;
  if (f.to == Encoding::f32) {
    const float got = y.get<float>((int64_t{o} * p.shape.positions + position) * kBlock + s);
    CHECK(got == static_cast<float>(sum) * 0.25f, p.kind.name, " ", isa, " ", p.shape.text(), " at ", o);
    return;
  }
  const int64_t index = ((int64_t{position} * groups + o / channels) * kBlock + s) * channels + o % channels;
  const double code = std::fmin(std::fmax(std::nearbyint(static_cast<double>(static_cast<float>(sum)) / 32.0),
                                          static_cast<double>(f.op.grid.qmin)),
                                static_cast<double>(f.op.grid.qmax));
  const int got = f.to == Encoding::u8x4 ? y.get<uint8_t>(index) : y.get<int16_t>(index);
  CHECK(got == static_cast<int>(code) + f.zero, p.kind.name, " ", isa, " ", p.shape.text(), text(f), " at ", o);
}

void compare(const Kind& kind, const Shape& shape, const Numbers& n) {
  const Problem p(
      kind, shape, [&](int c, int place, int s) { return n.x_at(c, place, s); },
      [&](int o, int t, int c) { return n.weight_at(o, t, c); }, [&](int o) { return n.bias_at(o); });
  const Finish finishes[] = {{},
                             codes(Encoding::u8x4, 0, 0, 255),
                             codes(Encoding::u8x4, 128, -128, 127),
                             codes(Encoding::s16x2, 0, -32768, 32767)};
  for (const Finish& f : finishes)
    for (const KernelTable* k : {&reference_kernels, &kernels(available_isas().front()), &kernels()}) {
      const Packed y = p.run(*k, f, 0.25f);
      for (int position = 0; position < shape.positions; ++position)
        for (int o = 0; o < shape.out; ++o)
          for (int s = 0; s < kBlock; s += 3)
            check_output(p, y, f, position, o, s, true_sum(p, n, position, o, s), k->isa);
    }
}

std::vector<Shape> shapes() {
  std::vector<Shape> all;
  for (const int channels : {1, 3, 4, 9})
    for (const int out : {1, 4, 6})
      for (const int zero : {0, 128}) {
        Shape s;
        s.out = out, s.channels = channels, s.zero = zero, s.seed = static_cast<uint64_t>(channels * out);
        s.shift = (channels + out) % 9;
        if (channels % 2) s.taps = 3, s.positions = 2, s.places = 4, s.padded = true;
        all.push_back(s);
      }
  return all;
}

TEST(integer_products_equal_whole_number_arithmetic) {
  for (const Shape& shape : shapes()) {
    const Range bias{-(1 << 30), (1 << 30) - 1};
    compare(kU8, shape, {{0, 255}, {-128, 127}, bias, 1});
    compare(kU8, shape, {{255, 255}, {-128, -128}, {INT32_MIN, INT32_MAX}, 2});  // these wrap
    if (shape.zero != 0) continue;
    const int64_t narrow = 1000 >> shape.shift;
    compare(kS16, shape, {{-32768, 32767}, {-narrow / 27, narrow / 27}, {-(1 << 20), 1 << 20}, 3});
    compare(kWhole, shape, {{-32768, 32767}, {-narrow / 27, narrow / 27}, {-(1 << 20), 1 << 20}, 4});
    compare(kWhole, shape, {{-narrow / 27, narrow / 27}, {-32768, 32767}, {-(1 << 20), 1 << 20}, 5});
  }
  Shape one;  // the largest products of their kinds
  one.bias = false;
  compare(kS16, one, {{-32768, 32767}, {-32768, 32767}, {0, 0}, 6});
  compare(kWhole, one, {{-(int64_t{1} << 30), int64_t{1} << 30}, {-1, 1}, {0, 0}, 7});
}

}  // namespace
}  // namespace chop
