// Gradients against differences of the loss, and results that do not depend on threads.
#include <cmath>
#include <memory>
#include <stdexcept>
#include <string>

#include "chop/trainer/plan.h"
#include "chop/trainer/trainer.h"
#include "graphs.h"

namespace chop::trainer {
namespace {

using namespace testing;

// Of small_network(): weight and bias of bn, fc1 and fc2.
Specification of_small_network() {
  Specification made;
  made.sizes = {6, 6, 54, 9, 36, 4};
  made.trained = 6;
  made.running = {6};
  made.nodes["bn"] = {{{"weight", 0}, {"bias", 1}}, 0, 0.1, {}};
  made.nodes["fc1"] = {{{"weight", 2}, {"bias", 3}}, -1, 0, {}};
  made.nodes["fc2"] = {{{"weight", 4}, {"bias", 5}}, -1, 0, {}};
  return made;
}

struct Sample {
  std::vector<double> x;
  std::vector<int64_t> y;
};

Sample sample(int64_t rows) {
  Random random(static_cast<uint64_t>(rows));
  Sample made;
  for (int64_t i = 0; i < rows * 6; ++i) made.x.push_back(random.uniform(-2.0f, 2.0f));
  for (int64_t i = 0; i < rows; ++i) made.y.push_back(static_cast<int64_t>(random.bits() % 4));
  return made;
}

std::unique_ptr<Trainer> small_trainer(const Sample& data, int threads = 1) {
  Options options;
  options.optimizer = "sgd";
  auto made = Trainer::make(small_network(), of_small_network(), options, true, threads);
  made->set_data(data.x.data(), data.y.data(), static_cast<int64_t>(data.y.size()));
  Random random(5);
  auto* values = static_cast<double*>(made->state(State::parameters));
  for (int64_t i = 0; i < made->state_size(State::parameters); ++i) values[i] = random.uniform(-1.0f, 1.0f);
  return made;
}

double loss_of(Trainer& trainer, int64_t rows) {
  EpochCall call;
  call.batch_size = call.count = rows;
  call.learning_rate = 0;
  return trainer.epoch(call).losses.at(0);
}

TEST(gradients_are_differences_of_the_loss) {
  for (const int64_t rows : {2, 17, 128, 400}) {
    const Sample data = sample(rows);
    const auto trainer = small_trainer(data);
    loss_of(*trainer, rows);
    auto* values = static_cast<double*>(trainer->state(State::parameters));
    const auto* found = static_cast<const double*>(trainer->state(State::gradients));
    const std::vector<double> gradient(found, found + trainer->state_size(State::parameters));
    for (size_t i = 0; i < gradient.size(); i += 7) {
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

// In float, narrow chains have kernels of their own for batches that are not too large.
TEST(gradients_in_float_are_those_in_double) {
  for (const int64_t rows : {2, 17, 128, 400, 1024, 1100}) {
    const int64_t accumulate = rows % 128 == 0 ? 2 : 1;
    const Sample data = sample(rows);
    const std::vector<float> x(data.x.begin(), data.x.end());
    Options options;
    options.optimizer = "sgd";
    const auto wide = small_trainer(data);
    const auto trainer = Trainer::make(small_network(), of_small_network(), options, false, 1);
    trainer->set_data(x.data(), data.y.data(), rows);
    const auto* values = static_cast<const double*>(wide->state(State::parameters));
    for (int64_t i = 0; i < wide->state_size(State::parameters); ++i)
      static_cast<float*>(trainer->state(State::parameters))[i] = static_cast<float>(values[i]);
    EpochCall call;
    call.count = rows;
    call.batch_size = rows / accumulate;
    call.accumulate = accumulate;
    call.learning_rate = 0;
    const EpochScore found = trainer->epoch(call), wanted = wide->epoch(call);
    CHECK(std::fabs(found.loss - wanted.loss) < 1e-5 * static_cast<double>(rows));
    CHECK(found.confusion == wanted.confusion);
    for (const State state : {State::gradients, State::running})
      for (int64_t i = 0; i < wide->state_size(state); ++i)
        CHECK(std::fabs(static_cast<const float*>(trainer->state(state))[i] -
                        static_cast<const double*>(wide->state(state))[i]) < 2e-5);
  }
}

TEST(training_gives_the_same_bits_on_any_number_of_threads) {
  const int64_t rows = 40000;
  const Sample data = sample(rows);
  std::vector<double> first;
  for (const int threads : {1, 2, 5}) {
    const auto trainer = small_trainer(data, threads);
    EpochCall call;
    call.count = rows;
    call.batch_size = 39000;
    call.learning_rate = 0.1;
    trainer->epoch(call);
    const Score score = trainer->evaluate(data.x.data(), data.y.data(), rows);
    const auto* values = static_cast<const double*>(trainer->state(State::parameters));
    std::vector<double> now(values, values + trainer->state_size(State::parameters));
    now.push_back(score.loss);
    if (first.empty()) first = now;
    CHECK(first_difference(first, now) == -1);
  }
}

TEST(training_lowers_the_loss_and_stops_at_nan) {
  Sample data = sample(300);
  for (size_t i = 0; i < data.y.size(); ++i) data.y[i] = data.x[i * 6] > 0 ? 1 : 2;
  const auto trainer = small_trainer(data);
  EpochCall call;
  call.batch_size = 30;
  call.count = 300;
  call.learning_rate = 0.2;
  const EpochScore before = trainer->epoch(call);
  for (int i = 0; i < 20; ++i) trainer->epoch(call);
  CHECK(trainer->epoch(call).loss < 0.5 * before.loss);
  data.x[6 * 100] = std::nan("");
  trainer->set_data(data.x.data(), data.y.data(), 300);
  const EpochScore failed = trainer->epoch(call);
  CHECK(failed.failed && failed.losses.size() == 3 && failed.next_row == 90);
}

// Batch norm, ReLU, and three times linear, batch norm, ReLU: the shape of jsc-toy, and one whose sizes are odd.
struct Layers {
  ir::Graph graph;
  Specification specification;
  int64_t features;
  int classes;
};

Layers layers(const std::vector<int64_t>& sizes) {
  Specification made;
  std::vector<ir::Graph::Spec> nodes{{"x", "input", {}, {}, {}, {ir::kBatch, sizes[0]}}};
  const auto parameters = [&](const std::string& node, int64_t weights, int64_t biases, int running) {
    const int number = static_cast<int>(made.sizes.size());
    made.sizes.insert(made.sizes.end(), {weights, biases});
    made.nodes[node] = {{{"weight", number}, {"bias", number + 1}}, running, 0.1, {}};
  };
  for (size_t i = 0; i < sizes.size(); ++i) {
    const std::string at = std::to_string(i);
    if (i > 0) {
      nodes.push_back(linear("fc" + at, nodes.back().name, sizes[i - 1], sizes[i]));
      parameters("fc" + at, sizes[i - 1] * sizes[i], sizes[i], -1);
    }
    nodes.push_back(normalized("bn" + at, nodes.back().name, sizes[i]));
    parameters("bn" + at, sizes[i], sizes[i], static_cast<int>(i));
    made.running.push_back(static_cast<int>(sizes[i]));
    nodes.push_back({"act" + at, "relu", {"bn" + at}, {}, {}, {}});
  }
  made.trained = static_cast<int>(made.sizes.size());
  const std::string last = nodes.back().name;
  return {ir::Graph::from_specs(nodes, last), made, sizes.front(), static_cast<int>(sizes.back())};
}

// One epoch in a shuffled order of more rows than there are, then the score of all rows; losses, weights and score.
template <class T>
std::vector<double> trained(const Layers& given, int64_t rows, int64_t batch, int threads) {
  const auto trainer = Trainer::make(given.graph, given.specification, {}, sizeof(T) == 8, threads);
  Random random(static_cast<uint64_t>(rows));
  std::vector<T> x;
  std::vector<int64_t> y, order;
  for (int64_t i = 0; i < rows * given.features; ++i) x.push_back(random.uniform(-2.0f, 2.0f));
  for (int64_t i = 0; i < rows; ++i) y.push_back(random.below(given.classes));
  for (int64_t i = 0; i < rows + 2; ++i) order.push_back(random.below(rows));
  trainer->set_data(x.data(), y.data(), rows);
  T* parameters = static_cast<T*>(trainer->state(State::parameters));
  for (int64_t i = 0; i < trainer->state_size(State::parameters); ++i) parameters[i] = random.uniform(-1.0f, 1.0f);
  T* running = static_cast<T*>(trainer->state(State::running));
  for (int64_t i = 0; i < trainer->state_size(State::running); ++i) running[i] = random.uniform(0.5f, 1.5f);
  EpochCall call;
  call.batch_size = batch;
  call.order = order.data();
  call.count = static_cast<int64_t>(order.size());
  while (call.count % call.batch_size == 1) ++call.batch_size;
  call.accumulate = 3;
  const EpochScore epoch = trainer->epoch(call);
  CHECK(epoch.rows == call.count && epoch.next_row == call.count && !epoch.failed);
  std::vector<double> found = epoch.losses;
  const Score score = trainer->evaluate(x.data(), y.data(), rows);
  found.push_back(score.loss);
  int64_t counted = 0;
  for (const int64_t count : score.confusion) counted += count;
  CHECK(counted == rows);
  for (int64_t i = 0; i < trainer->state_size(State::parameters); ++i)
    found.push_back(static_cast<double>(parameters[i]));
  return found;
}

TEST(odd_sizes_train_alike_in_both_types_and_on_several_threads) {
  for (const auto& sizes : {std::vector<int64_t>{16, 8, 8, 5}, {1, 3, 2}, {17, 33, 31, 7}, {5, 130, 3}}) {
    const Layers given = layers(sizes);
    for (const int64_t rows : {2, 3, 15, 16, 17, 127, 129, 2500})
      for (const int64_t batch : {2, 15, 17, 130, 1024}) {
        if (rows > 129 && batch < 130) continue;  // more steps of the same
        const auto narrow = trained<float>(given, rows, batch, 1);
        CHECK(first_difference(narrow, trained<float>(given, rows, batch, 3)) == -1);
        const auto wide = trained<double>(given, rows, batch, 1);
        CHECK(first_difference(wide, trained<double>(given, rows, batch, 3)) == -1);
        CHECK(std::fabs(narrow[0] - wide[0]) <= 2e-3 * (1 + std::fabs(wide[0])));
      }
  }
}

TEST(a_batch_of_many_blocks_uses_threads) {
  const Layers given = layers({16, 8, 8, 5});
  const auto one = trained<float>(given, 12000, 11000, 1);
  for (const int threads : {2, 4}) CHECK(first_difference(one, trained<float>(given, 12000, 11000, threads)) == -1);
}

TEST(a_trainer_that_is_held_refuses_calls) {
  const Sample data = sample(20);
  const auto trainer = small_trainer(data);
  {
    const auto lock = trainer->hold();
    std::string message;
    try {
      loss_of(*trainer, 20);
    } catch (const std::runtime_error& error) {
      message = error.what();
    }
    CHECK(contains(message, "at work in another call"));
  }
  CHECK(std::isfinite(loss_of(*trainer, 20)));
}

TEST(a_few_long_steps_are_glanced_at) {
  const Sample data = sample(1000);
  const auto trainer = small_trainer(data);
  int glances = 0;
  // Four steps, longer and longer, until they take long enough on this processor.
  for (size_t rows = size_t{1} << 20; glances == 0 && rows <= size_t{1} << 25; rows *= 2) {
    std::vector<int64_t> order(rows);
    for (size_t i = 0; i < rows; ++i) order[i] = static_cast<int64_t>(i % 1000);
    EpochCall call;
    call.batch_size = static_cast<int64_t>(rows / 4);
    call.order = order.data();
    call.count = static_cast<int64_t>(rows);
    call.glance = [&] { ++glances; };
    trainer->epoch(call);
  }
  CHECK(glances >= 1);
}

TEST(calls_that_do_not_fit_the_rows_are_refused) {
  const Sample data = sample(20);
  const auto trainer = small_trainer(data);
  EpochCall call;
  call.batch_size = 4;
  call.count = 24;
  CHECK(contains(refusal([&] { trainer->epoch(call); }), "there are 20 rows, not 24"));
  call.count = 0;
  CHECK(contains(refusal([&] { trainer->epoch(call); }), "order names no row"));
  Specification wrong = of_small_network();
  wrong.running = {5};
  CHECK(contains(refusal([&] { Plan::make(small_network(), wrong); }), "its running statistics 5"));
  wrong = of_small_network();
  wrong.trained = 7;
  CHECK(contains(refusal([&] { Plan::make(small_network(), wrong); }), "6 parameters, and 7 of them"));
}

TEST(nodes_that_cannot_be_trained_are_named) {
  const ir::Graph bad = ir::Graph::from_specs({{"x", "input", {}, {}, {}, {ir::kBatch, 6}},
                                               linear("fc", "x", 6, 4),
                                               {"s", "softmax", {"fc"}, {{"dim", 1.0}}, {}, {}}},
                                              "s");
  Specification specification;
  specification.sizes = {24, 4};
  specification.trained = 2;
  specification.nodes["fc"] = {{{"weight", 0}, {"bias", 1}}, -1, 0, {}};
  CHECK(contains(refusal([&] { Plan::make(bad, specification); }), "node s (softmax) has no gradient"));
  Options options;
  options.optimizer = "lion";
  CHECK(contains(refusal([&] { Trainer::make(small_network(), of_small_network(), options, false, 1); }), "lion"));
}

}  // namespace
}  // namespace chop::trainer
