// Trains a lowered graph: cross-entropy, backward, optimizer; data and weights are resident.
//
// A batch is cut into blocks of samples, and the blocks into at most kTrainParts parts that have gradients
// of their own. Both depend on the network and the size of the batch alone, so results do not depend on the number of
// threads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "chop/ir/graph.h"
#include "chop/trainer/specification.h"

namespace chop::trainer {

inline constexpr int kTrainParts = 16;

struct EpochCall {
  int64_t batch_size = 1;
  double learning_rate = 1e-3;
  const int64_t* order = nullptr;  // null: the rows as they come
  int64_t count = 0;               // of rows in the order
  int64_t accumulate = 1;
  int64_t first_row = 0;
  int64_t max_steps = -1;        // negative: to the end
  std::function<void()> glance;  // called every 50 ms; what it throws ends the call
  std::vector<double> rates;     // of each update of the weights in this call; empty: learning_rate for all
};

struct Score {
  double loss = 0;  // sum over the rows
  int64_t rows = 0;
  std::vector<int64_t> confusion;  // [label][predicted]
};

struct EpochScore : Score {
  std::vector<double> losses;  // mean of each batch
  int64_t next_row = 0;
  bool stopped = false;
  bool failed = false;  // bad_loss is that of the batch after the last of `losses`, which changed nothing
  double bad_loss = 0;
};

enum class State { parameters, gradients, first, second, running, widths, width_gradients, width_first, width_second };

class Trainer {
 public:
  // Throws std::invalid_argument: a node that cannot be trained, a bad option. wide: double instead of float.
  static std::unique_ptr<Trainer> make(const ir::Graph& graph, const Specification& specification,
                                       const Options& options, bool wide, int threads);
  virtual ~Trainer() = default;

  // Held while the trainer works or its state is read or written. Throws std::runtime_error if another thread has it:
  // waiting could be for a call that itself waits for the caller (Python's lock, a signal handler).
  virtual std::unique_lock<std::mutex> hold() = 0;

  // x[rows][features] of the trainer's type, y[rows]. This call and the next two hold the trainer.
  virtual void set_data(const void* x, const int64_t* y, int64_t rows) = 0;
  // p[rows][classes] of the trainer's type: probabilities that take the place of the labels in the loss.
  virtual void set_targets(const void* p) = 0;
  virtual EpochScore epoch(const EpochCall& call) = 0;
  virtual Score evaluate(const void* x, const int64_t* y, int64_t rows) = 0;
  virtual void stop() = 0;
  virtual std::pair<int64_t, double> progress() const = 0;  // batches, sum of their losses

  virtual int64_t rows() const = 0;
  virtual int64_t features() const = 0;
  virtual int classes() const = 0;

  // Numbers of the trainer's type, to be copied from or to by who holds it.
  virtual void* state(State which) = 0;
  virtual int64_t state_size(State which) const = 0;
  virtual int64_t& updates() = 0;
  virtual int64_t& width_updates() = 0;
  virtual bool& skips_zeros() = 0;  // see BlockRunner
  // Of the widths that are trained: their learning rate (0: they stay), and the price of a bit in the loss.
  virtual double& width_rate() = 0;
  virtual double& bit_price() = 0;
  virtual double bits() = 0;                    // sum over the weights of their bits times those of their input
  virtual std::vector<int64_t>& batches() = 0;  // that each batch norm has seen
};

}  // namespace chop::trainer
