// What a metric is: it sees blocks of logits in the order of the rows and gives a number, a list or a matrix.
//
// A member is one file that adds itself to metrics(). A Metric is what was asked and does not change; what was seen is
// in Counts, which every metric shares, and in an Accumulator of its own where counts are not enough. Chunks of rows
// are scored apart and joined in their order, so a result never depends on threads.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "chop/core/registry.h"
#include "chop/kernels/kernels.h"

namespace chop::evaluator {

using Label = uint16_t;  // as the kernels read them

// One block as metrics see it. What a metric's Needs do not name may be null.
struct BlockView {
  int64_t first_row = 0;  // a multiple of kBlock
  int valid = 0;          // rows that count, 1 to kBlock
  int classes = 0;
  const float* logits = nullptr;       // [classes][kBlock]
  const Label* labels = nullptr;       // [kBlock]; null: the data have none
  const float* reference = nullptr;    // logits of the float model, [classes][kBlock]
  const int32_t* predicted = nullptr;  // [kBlock], the largest logit as torch.argmax has it: a NaN is the largest
  double loss = 0.0;                   // cross-entropy of the valid rows, added up
  const double* row_losses = nullptr;  // cross-entropy of each valid row
};

struct Needs {
  bool labels = true;
  bool loss = false, row_losses = false, predictions = false, logits = false, reference = false;
};

// Counts of a classification; no labels: all empty.
struct Counts {
  int64_t rows = 0;
  std::vector<int64_t> support;    // rows of each class
  std::vector<int64_t> predicted;  // rows put into each class
  std::vector<int64_t> correct;    // rows put into the class that they are of
};

struct MetricValue {
  std::vector<double> numbers;
  std::vector<int64_t> shape{};  // none: one number
  bool integral = false;         // the numbers are counts
};
inline MetricValue number(double value) { return {{value}}; }
inline MetricValue list(std::vector<double> values) {
  const auto size = static_cast<int64_t>(values.size());
  return {std::move(values), {size}};
}

class Accumulator {
 public:
  virtual ~Accumulator() = default;
  virtual void add(const BlockView& block) = 0;
  // `later`: of the same metric, and of the rows that follow.
  virtual void merge(const Accumulator& later) = 0;
};

class Metric {
 public:
  virtual ~Metric() = default;
  virtual Needs needs() const = 0;
  // Null: counts are enough.
  virtual std::unique_ptr<Accumulator> start(int64_t /*first_row*/) const { return nullptr; }
  virtual MetricValue value(const Counts& counts, const Accumulator* seen) const = 0;
};

// A metric whose accumulator is a State, which has add(BlockView) and merge(State).
template <class State>
class MetricWith : public Metric {
 public:
  std::unique_ptr<Accumulator> start(int64_t first_row) const final { return std::make_unique<Held>(begin(first_row)); }
  MetricValue value(const Counts& counts, const Accumulator* seen) const final {
    return value_of(counts, static_cast<const Held*>(seen)->state);
  }

 protected:
  virtual State begin(int64_t first_row) const = 0;
  virtual MetricValue value_of(const Counts& counts, const State& seen) const = 0;

 private:
  struct Held final : Accumulator {
    explicit Held(State begun) : state(std::move(begun)) {}
    void add(const BlockView& block) override { state.add(block); }
    void merge(const Accumulator& later) override { state.merge(static_cast<const Held&>(later).state); }
    State state;
  };
};

// What the rows are that metrics will see.
struct Population {
  int classes = 0;
  int64_t rows = 0;
  std::vector<int64_t> support;  // rows of each class; empty: no labels
  bool labelled() const { return !support.empty(); }
};

// Options are whole numbers.
struct MetricOption {
  std::string name;
  std::optional<int64_t> standard;  // none: it must be given
  int64_t least;
  bool at_most_classes;
  std::string meaning;
};
using MetricOptions = std::map<std::string, int64_t>;  // every option of the metric, checked

struct MetricMember {
  std::string unit;
  std::string direction;   // "maximize", "minimize"; empty: neither is better
  std::string definition;  // in words
  std::vector<MetricOption> options;
  std::function<std::unique_ptr<Metric>(const MetricOptions&, const Population&)> make;
};

Registry<MetricMember>& metrics();

// Registers a metric that is a function of the counts. Returns true.
bool add_count_metric(const std::string& name, const std::string& unit, const std::string& direction,
                      const std::string& definition, MetricValue (*value)(const Counts&));

// Registers a metric without options.
template <class M>
bool add_plain_metric(const std::string& name, const std::string& unit, const std::string& direction,
                      const std::string& definition) {
  return metrics().add(name, {unit, direction, definition, {}, [](const MetricOptions&, const Population& rows) {
                                return std::make_unique<M>(rows);
                              }});
}

}  // namespace chop::evaluator
