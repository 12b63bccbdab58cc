#include "chop/trainer/trainer.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <stdexcept>

#include "chop/core/check.h"
#include "chop/trainer/batch_runner.h"

namespace chop::trainer {
namespace {

void verify(const Options& o) {
  check(o.optimizer == "adam" || o.optimizer == "adamw" || o.optimizer == "sgd",
        "training: optimizer must be adam, adamw or sgd, got '", o.optimizer, "'");
  check(o.beta1 >= 0 && o.beta1 < 1 && o.beta2 >= 0 && o.beta2 < 1, "training: betas must be in [0, 1), got ", o.beta1,
        " and ", o.beta2);
  check(o.eps >= 0, "training: eps must be at least 0, got ", o.eps);
  check(o.momentum >= 0, "training: momentum must be at least 0, got ", o.momentum);
  check(!o.nesterov || o.momentum > 0, "training: nesterov needs a momentum above 0");
  check(o.weight_decay >= 0, "training: weight_decay must be at least 0, got ", o.weight_decay);
  check(o.clip_by == "norm" || o.clip_by == "value", "training: gradient_clip_algorithm must be norm or value, got '",
        o.clip_by, "'");
  check(!o.clip || *o.clip >= 0, "training: gradient_clip_val must be at least 0, got ", o.clip.value_or(0));
}

// Calls `glance` now and then; reading the clock costs as much as a part of a small step, so not after each of those.
class Watch {
 public:
  Watch(const std::function<void()>& glance, int64_t rows) : glance_(glance), every_(rows < 256 ? 16 : 1) {}
  void look() {
    if (!glance_ || ++calls_ % every_ != 0) return;
    const auto now = Clock::now();
    if (now - last_ < std::chrono::milliseconds(50)) return;
    last_ = now;
    glance_();
  }

 private:
  using Clock = std::chrono::steady_clock;
  const std::function<void()>& glance_;
  const int64_t every_;
  int64_t calls_ = 0;
  Clock::time_point last_ = Clock::now();
};

template <class T>
class TrainerOf final : public Trainer {
 public:
  TrainerOf(const ir::Graph& graph, const Specification& specification, const Options& options, int threads)
      : plan_(Plan::make(graph, specification)),
        pool_(threads),
        norms_(plan_, specification),
        weights_(plan_, specification, options),
        runner_(plan_, norms_, weights_, pool_) {}

  std::unique_lock<std::mutex> hold() override {
    std::unique_lock lock(working_, std::try_to_lock);
    if (!lock) throw std::runtime_error("training: the trainer is at work in another call");
    return lock;
  }

  void set_data(const void* x, const int64_t* y, int64_t rows) override {
    const auto lock = hold();
    std::vector<uint16_t> wanted = labels(y, rows);
    const int64_t count = features(), stride = (count + kTrainLanes - 1) / kTrainLanes * kTrainLanes;
    memory_ = make_large_array<T>(rows * stride + 64);  // where this throws, all stays as it was
    labels_ = std::move(wanted);
    rows_ = rows;
    T* to = aligned(memory_.get());
    data_ = {to, labels_.data(), stride, nullptr, 0};
    const T* from = static_cast<const T*>(x);
    for (int64_t r = 0; r < rows; ++r, from += count, to += stride) {
      std::copy_n(from, count, to);
      std::fill(to + count, to + stride, T(0));
    }
  }

  void set_targets(const void* p) override {
    const auto lock = hold();
    check(rows_ > 0, "training: there are no rows of data");
    const int64_t count = classes(), stride = (count + kTrainLanes - 1) / kTrainLanes * kTrainLanes;
    wanted_ = make_large_array<T>(rows_ * stride + 64);
    T* to = aligned(wanted_.get());
    data_.wanted = to;
    data_.wanted_stride = stride;
    const T* from = static_cast<const T*>(p);
    for (int64_t r = 0; r < rows_; ++r, from += count, to += stride) {
      std::copy_n(from, count, to);
      std::fill(to + count, to + stride, T(0));
    }
  }

  EpochScore epoch(const EpochCall& call) override {
    const auto lock = hold();
    verify_call(call);
    stop_.store(false);
    steps_.store(0);
    total_.store(0);
    runner_.reserve(std::min(call.batch_size, call.count));
    EpochScore score;
    score.confusion.resize(static_cast<size_t>(classes()) * static_cast<size_t>(classes()));
    score.losses.reserve(static_cast<size_t>(call.count / call.batch_size + 1));
    Watch watch(call.glance, call.batch_size);
    int64_t row = call.first_row;
    for (; row < call.count; row += call.batch_size) {
      score.stopped = stop_.load(std::memory_order_relaxed);
      if (score.stopped || static_cast<int64_t>(score.losses.size()) == call.max_steps) break;
      if (!step(call, row, &score)) break;
      watch.look();
    }
    score.next_row = std::min(row, call.count);
    return score;
  }

  Score evaluate(const void* x, const int64_t* y, int64_t rows) override {
    const auto lock = hold();
    check(rows > 0, "training: there are no rows to evaluate");
    const std::vector<uint16_t> wanted = labels(y, rows);
    Score score;
    score.rows = rows;
    score.confusion.resize(static_cast<size_t>(classes()) * static_cast<size_t>(classes()));
    score.loss = runner_.evaluate(static_cast<const T*>(x), wanted.data(), rows, score.confusion.data());
    return score;
  }

  void stop() override { stop_.store(true); }
  std::pair<int64_t, double> progress() const override { return {steps_.load(), total_.load()}; }
  int64_t rows() const override { return rows_.load(); }
  int64_t features() const override { return plan_.values[static_cast<size_t>(plan_.input)].features; }
  int classes() const override { return plan_.values[static_cast<size_t>(plan_.output)].features; }

  void* state(State which) override {
    switch (which) {
      case State::parameters: return weights_.values.data();
      case State::gradients: return weights_.gradient();
      case State::first: return weights_.first.data();
      case State::second: return weights_.second.data();
      case State::running: return norms_.running.data();
      case State::widths: return weights_.learned.widths.data();
      case State::width_gradients: return weights_.learned.gradient();
      case State::width_first: return weights_.learned.first.data();
      case State::width_second: return weights_.learned.second.data();
    }
    return nullptr;
  }
  int64_t state_size(State which) const override {
    if (which == State::running) return static_cast<int64_t>(norms_.running.size());
    return which >= State::widths ? 2 * plan_.groups : plan_.parameters;
  }
  int64_t& updates() override { return weights_.updates; }
  bool& skips_zeros() override { return runner_.skips_zeros(); }
  int64_t& width_updates() override { return weights_.learned.updates; }
  double& width_rate() override { return weights_.learned.rate; }
  double& bit_price() override { return weights_.learned.price; }
  double bits() override {
    const auto lock = hold();
    weights_.round();
    return weights_.learned.bits();
  }
  std::vector<int64_t>& batches() override { return norms_.batches; }

 private:
  std::vector<uint16_t> labels(const int64_t* y, int64_t rows) const {
    std::vector<uint16_t> found(static_cast<size_t>(rows));
    check(classes() <= 65535, "training: at most 65535 classes, got ", classes());
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t label = y[r];
      check(label >= 0 && label < classes(), "training: y[", r, "] must be a class in 0..", classes() - 1, ", got ",
            label);
      found[static_cast<size_t>(r)] = static_cast<uint16_t>(label);
    }
    return found;
  }

  void verify_call(const EpochCall& call) const {
    check(rows_ > 0, "training: there are no rows of data");
    check(call.count >= 1, "training: order names no row");
    check(call.order || call.count <= rows_, "training: there are ", rows_, " rows, not ", call.count);
    check(call.batch_size >= 1, "training: batch_size must be at least 1, got ", call.batch_size);
    check(call.accumulate >= 1, "training: accumulate must be at least 1, got ", call.accumulate);
    check(call.first_row >= 0 && call.first_row <= call.count && call.first_row % call.batch_size == 0,
          "training: first_row must be a multiple of batch_size in 0..", call.count, ", got ", call.first_row);
    verify_rates(call);
    verify_order(call);
    const int64_t last = call.count % call.batch_size;
    for (const Norm& norm : plan_.norms)
      check(norm.positions > 1 || (call.batch_size > 1 && last != 1),
            "training: batch norm needs more than one row in every batch, and the ",
            call.batch_size > 1 ? "last" : "first", " one has one; change batch_size");
  }

  void verify_rates(const EpochCall& call) const {
    const auto verify = [](double rate) {
      check(std::isfinite(rate) && rate >= 0, "training: learning_rate must be at least 0, got ", rate);
    };
    verify(call.learning_rate);
    for (const double rate : call.rates) verify(rate);
    if (call.rates.empty()) return;
    const int64_t first = call.first_row / call.batch_size, all = (call.count - 1) / call.batch_size + 1;
    const int64_t last = call.max_steps >= 0 && call.max_steps < all - first ? first + call.max_steps : all;
    const auto updates_before = [&](int64_t batch) {
      return batch == all ? (all - 1) / call.accumulate + 1 : batch / call.accumulate;
    };
    const int64_t updates = std::max<int64_t>(0, updates_before(last) - updates_before(std::min(first, all)));
    check(static_cast<int64_t>(call.rates.size()) == updates, "training: the call makes ", updates,
          " updates, and there are ", call.rates.size(), " learning rates");
  }

  void verify_order(const EpochCall& call) const {
    if (!call.order) return;
    const auto rows = static_cast<uint64_t>(rows_);
    // Of the batches of this call, and the next one, which is fetched ahead.
    const int64_t left = call.count - call.first_row, batches = (left - 1) / call.batch_size + 1;
    const bool some = call.max_steps >= 0 && call.max_steps + 1 < batches;
    const int64_t end = some ? call.first_row + (call.max_steps + 1) * call.batch_size : call.count;
    bool outside = false;  // without a branch a row, so that it costs no more than reading them
    for (int64_t i = call.first_row; i < end; ++i) outside |= static_cast<uint64_t>(call.order[i]) >= rows;
    for (int64_t i = call.first_row; outside && i < end; ++i)
      check(static_cast<uint64_t>(call.order[i]) < rows, "training: order[", i, "] must be a row in 0..", rows_ - 1,
            ", got ", call.order[i]);
  }

  // A copy, as other threads may write to the order after it was verified.
  const int64_t* rows_of_batch(const int64_t* order, int64_t count) {
    batch_order_.assign(order, order + count);
    uint64_t largest = 0;
    for (const int64_t row : batch_order_) largest = std::max(largest, static_cast<uint64_t>(row));
    check(largest < static_cast<uint64_t>(rows_.load()), "training: order was written to while it was read");
    return batch_order_.data();
  }

  static double rate_of(const EpochCall& call, int64_t batch) {
    if (call.rates.empty()) return call.learning_rate;
    return call
        .rates[static_cast<size_t>(batch / call.accumulate - call.first_row / call.batch_size / call.accumulate)];
  }

  bool step(const EpochCall& call, int64_t row, EpochScore* score) {
    const int64_t rows = std::min(call.batch_size, call.count - row), number = row / call.batch_size;
    Batch batch;
    batch.order = call.order ? rows_of_batch(call.order + row, rows) : nullptr;
    batch.first = row;
    batch.size = runner_.size_of(rows);
    if (call.order) {
      batch.next = call.order + row + rows;
      batch.next_count = std::min(call.batch_size, call.count - row - rows);
    }
    const double scale = 1.0 / (static_cast<double>(rows) * static_cast<double>(call.accumulate));
    const double loss = runner_.train(data_, batch, scale, number % call.accumulate != 0, score->confusion.data());
    const double mean = loss / static_cast<double>(rows);
    if (!std::isfinite(loss)) {
      score->failed = true;
      score->bad_loss = mean;
      return false;
    }
    norms_.commit(batch.size);
    if ((number + 1) % call.accumulate == 0 || row + rows == call.count) weights_.update(rate_of(call, number));
    score->loss += loss;
    score->rows += rows;
    score->losses.push_back(mean);
    steps_.store(static_cast<int64_t>(score->losses.size()), std::memory_order_relaxed);
    total_.store(total_.load(std::memory_order_relaxed) + mean, std::memory_order_relaxed);
    return true;
  }

  Plan plan_;
  ThreadPool pool_;
  Norms<T> norms_;
  Weights<T> weights_;
  BatchRunner<T> runner_;
  LargeArray<T> memory_, wanted_;
  std::vector<uint16_t> labels_;
  std::vector<int64_t> batch_order_;
  Rows<T> data_;
  std::atomic<int64_t> rows_{0};
  std::mutex working_;
  std::atomic<bool> stop_{false};
  std::atomic<int64_t> steps_{0};
  std::atomic<double> total_{0};
};

}  // namespace

std::unique_ptr<Trainer> Trainer::make(const ir::Graph& graph, const Specification& specification,
                                       const Options& options, bool wide, int threads) {
  verify(options);
  if (wide) return std::make_unique<TrainerOf<double>>(graph, specification, options, threads);
  return std::make_unique<TrainerOf<float>>(graph, specification, options, threads);
}

}  // namespace chop::trainer
