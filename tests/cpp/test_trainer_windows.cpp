// Networks of convolutions, pools and norms: gradients against differences of the loss, and the same bits on any
// threads.
#include <cmath>
#include <memory>
#include <string>

#include "chop/trainer/plan.h"
#include "chop/trainer/trainer.h"
#include "graphs.h"

namespace chop::trainer {
namespace {

using namespace testing;

constexpr int64_t kChannels = 2, kHeight = 7, kWidth = 6, kFeatures = kChannels * kHeight * kWidth;

// Layers one after the other, each with its parameters.
class Network {
 public:
  Network() { nodes_.push_back({"x", "input", {}, {}, {}, {ir::kBatch, kChannels, kHeight, kWidth}}); }

  void conv(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t groups) {
    const int64_t pad = kernel / 2;
    add("conv2d",
        {{"stride", ir::List{stride, stride}},
         {"padding", ir::List{pad, pad, pad, pad}},
         {"dilation", ir::List{1, 1}},
         {"groups", static_cast<double>(groups)}},
        {out, in / groups, kernel, kernel}, out);
  }
  void linear(int64_t in, int64_t out) { add("linear", {}, {out, in}, out); }
  void layer_norm(int64_t size) {
    add("layer_norm", {{"eps", 1e-3}, {"normalized_shape", ir::List{size}}}, {size}, size);
  }
  void plain(const std::string& op, std::vector<ir::Attribute> attributes = {}) {
    const std::string name = op + std::to_string(nodes_.size());
    nodes_.push_back({name, op, {nodes_.back().name}, std::move(attributes), {}, {}});
  }

  std::unique_ptr<Trainer> trainer(bool wide, int threads) {
    specification_.trained = static_cast<int>(specification_.sizes.size());
    Options options;
    options.optimizer = "sgd";
    return Trainer::make(ir::Graph::from_specs(nodes_, nodes_.back().name), specification_, options, wide, threads);
  }

 private:
  void add(const std::string& op, std::vector<ir::Attribute> attributes, const ir::Shape& weight, int64_t bias) {
    plain(op, std::move(attributes));
    int64_t size = 1;
    for (const int64_t each : weight) size *= each;
    const int number = static_cast<int>(specification_.sizes.size());
    specification_.sizes.insert(specification_.sizes.end(), {size, bias});
    ir::Graph::Spec& made = nodes_.back();
    for (const auto& [name, shape] : {std::pair{"weight", weight}, {"bias", ir::Shape{bias}}})
      made.parameters.push_back({name, shape, nullptr, 0});
    specification_.nodes[made.name] = {{{"weight", number}, {"bias", number + 1}}, -1, 0, {}};
  }

  std::vector<ir::Graph::Spec> nodes_;
  Specification specification_;
};

// Convolutions with and without tiles, of groups and with strides, pools, activations and a norm.
Network network() {
  Network made;
  const ir::List two{2, 2}, one{1, 1}, none{0, 0};
  made.conv(kChannels, 24, 3, 1, 1);
  made.plain("silu");
  made.conv(24, 25, 3, 1, 1);
  made.plain("relu");
  made.conv(25, 25, 3, 2, 25);
  made.plain("max_pool2d",
             {{"kernel_size", two}, {"stride", one}, {"padding", none}, {"dilation", one}, {"ceil_mode", 0.0}});
  made.conv(25, 6, 1, 2, 1);
  made.plain("adaptive_avg_pool2d", {{"output_size", ir::List{1, 1}}});
  made.plain("flatten", {{"start_dim", 1.0}, {"end_dim", -1.0}});
  made.layer_norm(6);
  made.plain("gelu");
  made.linear(6, 4);
  return made;
}

template <class T>
void fill(Trainer& trainer, int64_t rows) {
  Random random(static_cast<uint64_t>(rows));
  std::vector<T> x;
  std::vector<int64_t> y;
  for (int64_t i = 0; i < rows * kFeatures; ++i) x.push_back(random.uniform(-2.0f, 2.0f));
  for (int64_t i = 0; i < rows; ++i) y.push_back(random.below(4));
  trainer.set_data(x.data(), y.data(), rows);
  T* values = static_cast<T*>(trainer.state(State::parameters));
  for (int64_t i = 0; i < trainer.state_size(State::parameters); ++i) values[i] = random.uniform(-0.3f, 0.3f);
}

double loss_of(Trainer& trainer, int64_t rows) {
  EpochCall call;
  call.batch_size = call.count = rows;
  call.learning_rate = 0;
  return trainer.epoch(call).losses.at(0);
}

TEST(gradients_of_windows_are_differences_of_the_loss) {
  for (const int64_t rows : {1, 16, 21}) {
    const auto trainer = network().trainer(true, 1);
    fill<double>(*trainer, rows);
    loss_of(*trainer, rows);
    auto* values = static_cast<double*>(trainer->state(State::parameters));
    const auto* found = static_cast<const double*>(trainer->state(State::gradients));
    const std::vector<double> gradient(found, found + trainer->state_size(State::parameters));
    for (size_t i = 0; i < gradient.size(); i += 97) {
      const double kept = values[i], step = 1e-6;
      values[i] = kept + step;
      const double above = loss_of(*trainer, rows);
      values[i] = kept - step;
      const double below = loss_of(*trainer, rows);
      values[i] = kept;
      CHECK(std::fabs((above - below) / (2 * step) - gradient[i]) < 1e-6);
    }
  }
}

TEST(training_windows_gives_the_same_bits_on_any_number_of_threads) {
  std::vector<double> first;
  for (const int threads : {1, 2, 5}) {
    const auto trainer = network().trainer(false, threads);
    fill<float>(*trainer, 300);
    EpochCall call;
    call.count = 300;
    call.batch_size = 290;
    call.learning_rate = 0.1;
    trainer->epoch(call);
    const auto* values = static_cast<const float*>(trainer->state(State::parameters));
    const std::vector<double> now(values, values + trainer->state_size(State::parameters));
    if (first.empty()) first = now;
    CHECK(first_difference(first, now) == -1);
  }
}

}  // namespace
}  // namespace chop::trainer
