// Planes: what windows see of them, on every instruction set, and that the layout changes no bit of a result.
#include <algorithm>

#include "chop/evaluator/evaluator.h"
#include "chop/evaluator/planes.h"
#include "conv_networks.h"
#include "products.h"

namespace chop::evaluator {
namespace {

using namespace testing;

// A window of random places over one or two dimensions: any stride, padding and dilation, places in any order.
Window some_window(Random& random, bool anywhere) {
  const int height = static_cast<int>(1 + random.below(9)), width = static_cast<int>(1 + random.below(40));
  Window w;
  w.places_in = height * width;
  if (anywhere) {  // no rule at all: words from a list
    w.places_out = static_cast<int>(1 + random.below(100));
    w.taps = static_cast<int>(1 + random.below(4));
    for (int i = 0; i < w.places_out * w.taps; ++i)
      w.from.push_back(random.below(4) == 0 ? kPadded : static_cast<int32_t>(random.below(w.places_in)));
    return w;
  }
  const int stride = static_cast<int>(1 + random.below(3)), dilation = static_cast<int>(1 + random.below(2));
  const int kernel = static_cast<int>(1 + random.below(5)), padding = static_cast<int>(random.below(kernel));
  w.taps = kernel * kernel;
  for (int y = -padding; y + (kernel - 1) * dilation < height + padding; y += stride)
    for (int x = -padding; x + (kernel - 1) * dilation < width + padding; x += stride, ++w.places_out)
      for (int i = 0; i < kernel; ++i)
        for (int j = 0; j < kernel; ++j) {
          const int row = y + i * dilation, column = x + j * dilation;
          const bool inside = row >= 0 && row < height && column >= 0 && column < width;
          w.from.push_back(inside ? row * width + column : kPadded);
        }
  w.places_out -= 1;
  return w;
}

struct Planes {
  int64_t plane;  // words
  std::vector<uint32_t> memory;
  const uint32_t* first() const { return memory.data() + kSlackWords; }
};

Planes random_planes(Random& random, int planes, int rows, bool floats) {
  Planes made{int64_t{rows} * kBlock, {}};
  made.memory.resize(static_cast<size_t>(made.plane * planes + 2 * kSlackWords));
  for (uint32_t& word : made.memory) {
    const auto whole = static_cast<float>(random.below(511) - 255);
    word = floats ? __builtin_bit_cast(uint32_t, whole) : static_cast<uint32_t>(random.bits());
  }
  return made;
}

TEST(windows_gather_what_they_say_on_every_instruction_set) {
  Random random(5);
  for (int trial = 0; trial < 150; ++trial) {
    Window w = some_window(random, trial % 3 == 0);
    if (w.places_out < 1) continue;
    const int images = 1 << random.below(4), planes = static_cast<int>(1 + random.below(5));
    const auto window = plane_window(w, images);
    if (!window->gathers()) continue;
    const Planes x = random_planes(random, planes, window->rows.places_in, false);
    const auto fill = static_cast<uint32_t>(random.bits());
    for (int row = 0; row < window->rows.places_out; ++row) {
      std::vector<uint32_t> plain(static_cast<size_t>(w.taps * planes) * kBlock, 77), expected = plain;
      reference_kernels.planes.gather({x.first(), x.plane, planes, window->table.row(row), fill, plain.data()});
      for (int tap = 0; tap < w.taps; ++tap)
        for (int p = 0; p < planes; ++p)
          for (int l = 0; l < kBlock; ++l) {
            const int at = row * kBlock + l, image = at / w.places_out, place = at % w.places_out;
            if (image >= images) continue;
            const int32_t from = w.from[static_cast<size_t>(place * w.taps + tap)];
            expected[static_cast<size_t>(tap * planes + p) * kBlock + static_cast<size_t>(l)] =
                from == kPadded ? fill : x.first()[p * x.plane + image * w.places_in + from];
            const size_t i = static_cast<size_t>(tap * planes + p) * kBlock + static_cast<size_t>(l);
            CHECK(plain[i] == expected[i], "trial ", trial, " row ", row, " tap ", tap, " lane ", l);
          }
      for (const Isa isa : available_isas()) {
        std::vector<uint32_t> y(plain.size(), 77);
        kernels(isa).planes.gather({x.first(), x.plane, planes, window->table.row(row), fill, y.data()});
        CHECK(y == plain, isa_name(isa), " trial ", trial, " row ", row);
      }
    }
  }
}

TEST(depthwise_sums_equal_the_reference_in_every_finish) {
  Random random(6);
  const std::vector<float> alpha = uniform_values(64, -0.01f, 0.02f, 31), beta = uniform_values(64, -9.0f, 9.0f, 32);
  const std::vector<Finish> finishes = finishes_of(alpha.data(), beta.data());
  for (int trial = 0; trial < 120; ++trial) {
    const Window w = some_window(random, trial % 3 == 0);
    if (w.places_out < 1) continue;
    const int images = 1 << random.below(3);
    const auto window = plane_window(w, images);
    if (!window->gathers()) continue;
    Depthwise d;
    d.multiplier = static_cast<int>(1 + random.below(2));
    d.out = d.multiplier * static_cast<int>(1 + random.below(9));
    d.taps = w.taps;
    const Planes x = random_planes(random, d.out / d.multiplier, window->rows.places_in, true);
    const std::vector<float> weight = whole_values(d.out * d.taps, 127, 9), bias = whole_values(d.out, 999, 10);
    d.x = reinterpret_cast<const float*>(x.first());
    d.plane = x.plane;
    d.weight = weight.data();
    d.bias = random.below(3) == 0 ? nullptr : bias.data();
    d.finish = finishes[static_cast<size_t>(random.below(static_cast<int64_t>(finishes.size())))];
    d.across = 1 + random.below(3);
    for (int row = 0; row < window->rows.places_out; ++row) {
      d.pieces = window->table.row(row);
      const auto run = [&](const KernelTable& k) {
        Packed y(d.out * d.across * kGroupBytes, 77);
        d.y = y.data();
        k.planes.depthwise(d);
        return y;
      };
      const int lanes = std::min(kBlock, window->lanes_out - row * kBlock);
      const Packed expected = run(reference_kernels);
      for (const Isa isa : available_isas()) {
        const Packed y = run(kernels(isa));
        bool same = true;
        for (int64_t i = 0; i < y.size() / 4; ++i)
          same = same && (i % kBlock >= lanes || y.get<uint32_t>(i) == expected.get<uint32_t>(i));
        CHECK(same, isa_name(isa), " trial ", trial, " row ", row, text(d.finish));
      }
    }
  }
}

TEST(sums_of_planes_equal_the_reference) {
  for (const int planes : {1, 2, 7, 8, 9, 33})
    for (const int count : {1, 3, 64, 100}) {
      const int64_t plane = (count + kBlock - 1) / kBlock * kBlock;
      const std::vector<float> x = uniform_values(plane * planes, -3.0f, 3.0f, 7);
      std::vector<float> expected(static_cast<size_t>(planes) * kBlock), y;
      reference_kernels.planes.sum_wide(x.data(), plane, planes, count, expected.data());
      for (const Isa isa : available_isas()) {
        y.assign(expected.size(), 0.0f);
        kernels(isa).planes.sum_wide(x.data(), plane, planes, count, y.data());
        CHECK(y == expected, isa_name(isa), " planes ", planes, " count ", count);
      }
    }
}

// A product of fewer lanes leaves those as they are in the whole one.
TEST(products_of_fewer_lanes_are_those_of_all) {
  for (const Kind* kind : {&kU8, &kS16, &kWhole, &kExact, &kOrdered, &kWide})
    for (const int lanes : {16, 32, 48})
      for (const Finish& finish : finishes_of(nullptr, nullptr)) {
        if (finish.op.alpha) continue;
        Shape shape;
        shape.out = 7, shape.channels = 9, shape.taps = 3, shape.places = 4;
        Random random(3);
        const auto any = [&](auto...) { return static_cast<double>(random.below(100)); };
        const Problem problem(*kind, shape, any, any, any);
        const Packed whole = problem.run(reference_kernels, finish, 0.5f);
        for (const Isa isa : available_isas()) {
          const Packed y = problem.run(kernels(isa), finish, 0.5f, lanes);
          for (int64_t i = 0; i < y.size() / 4; ++i)
            CHECK(i % kBlock >= lanes || y.get<uint32_t>(i) == whole.get<uint32_t>(i), kind->name, " ", isa_name(isa),
                  " lanes ", lanes, text(finish), " at ", i);
        }
      }
}

// The same rows, few at a time and many at once: planes with any number of images, and blocks of samples.
TEST(layouts_give_the_same_bits) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    const ConvNetwork network = conv_network(seed);
    const int64_t rows = 64 + static_cast<int64_t>(seed % 9);
    const std::vector<float> x = uniform_values(rows * network.features, -3.0f, 3.0f, seed);
    const Evaluator all(network.graph, x.data(), nullptr, rows, network.features, 1, true);
    if (seed % 4 == 0 && all.planner().images() > 0) continue;  // a wide one
    CHECK(all.planner().images() == 0, "the networks are small");
    for (const Config& config : network.configs) {
      std::vector<float> expected(static_cast<size_t>(rows * all.outputs())), y(expected.size());
      all.forward(config, expected.data());
      for (const int64_t some : {int64_t{1}, int64_t{3}, int64_t{8}, int64_t{63}}) {
        const Evaluator few(network.graph, x.data(), nullptr, some, network.features, 1, true);
        CHECK(few.planner().images() > 0, "few rows go on planes");
        few.forward(config, y.data());
        const bool same = std::equal(y.begin(), y.begin() + some * all.outputs(), expected.begin(),
                                     [](float a, float b) { return same_bits(a, b); });
        CHECK(same, "seed ", seed, " rows ", some, ": ", network.text);
      }
    }
  }
}

TEST(configs_share_planes_and_certificates_read_samples) {
  for (uint64_t seed = 50; seed < 60; ++seed) {
    const ConvNetwork network = conv_network(seed);
    if (network.graph.nodes()[static_cast<size_t>(network.graph.output())].shape.size() != 2) continue;
    const int64_t rows = 21;
    const std::vector<float> x = uniform_values(rows * network.features, -3.0f, 3.0f, seed);
    const Evaluator few(network.graph, x.data(), nullptr, rows, network.features, 2, true);
    const std::vector<MetricSpec> metrics{{"output_mse", {}}, {"agreement", {}}};
    const auto together = few.evaluate(network.configs, metrics);
    for (size_t i = 0; i < network.configs.size(); ++i) {
      CHECK(same(together[i], few.evaluate({network.configs[i]}, metrics)[0]), "seed ", seed, " config ", i);
      CHECK(few.certificate(network.configs[i]).size() <= network.graph.nodes().size());
    }
  }
}

}  // namespace
}  // namespace chop::evaluator
