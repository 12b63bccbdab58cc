#include "chop/trainer/batch_runner.h"

#include <algorithm>

namespace chop::trainer {
namespace {

constexpr int64_t kWorthThreads = int64_t{1} << 21;  // products of a phase; below, waking threads costs more

int padded(int rows) { return (rows + kTrainLanes - 1) / kTrainLanes * kTrainLanes; }

}  // namespace

template <class T>
BatchRunner<T>::BatchRunner(const Plan& plan, Norms<T>& norms, Weights<T>& weights, const ThreadPool& pool)
    : plan_(plan),
      norms_(norms),
      weights_(weights),
      pool_(pool),
      runner_(plan, norms, weights.learned, weights.values),
      narrow_(plan, norms, weights),
      classes_(plan.values[static_cast<size_t>(plan.output)].features),
      parts_(kTrainParts) {
  for (Part& part : parts_) part.confusion.resize(static_cast<size_t>(classes_) * static_cast<size_t>(classes_));
}

template <class T>
BatchSize BatchRunner<T>::size_of(int64_t rows) const {
  return {rows, static_cast<int>((rows + plan_.block_rows - 1) / plan_.block_rows), plan_.block_rows};
}

template <class T>
void BatchRunner<T>::reserve(int64_t batch_size) {
  const int rows = padded(static_cast<int>(std::min<int64_t>(batch_size, plan_.block_rows)));
  // Rows a power of two apart would meet in the same few places of the cache.
  const int64_t ld = rows >= 64 ? rows + kTrainLanes : rows;
  const int blocks = size_of(batch_size).blocks;
  norms_.reserve(blocks);
  narrow_.reserve(batch_size);
  if (ld == ld_ && blocks <= blocks_) return;
  const int64_t numbers = static_cast<int64_t>(blocks) * block_memory() * ld;
  memory_ = make_large_array<T>(numbers + 64);  // where this throws, all stays as it was
  aligned_ = aligned(memory_.get());
  std::fill(aligned_, aligned_ + numbers, T(0));
  ld_ = ld;
  blocks_ = blocks;
}

template <class T>
Block<T> BatchRunner<T>::block(int number, int memory, int part, const BatchSize& size) const {
  const int valid = size.valid(number);
  T* from = aligned_ + static_cast<int64_t>(memory) * block_memory() * ld_;
  T* labels = from + plan_.rows * ld_;
  Block<T> made;
  made.size = {padded(valid), valid, ld_};
  made.number = number;
  made.memory = from;
  made.labels = labels;
  made.predicted = labels + ld_;
  made.weights = weights_.used();
  made.gradients = weights_.gradient(part);
  if (!weights_.learned.empty()) made.widths = weights_.learned.gradient(part);
  return made;
}

template <class T>
void BatchRunner<T>::fetch(const Rows<T>& data, const Batch& batch, const Block<T>& b) const {
  const int64_t from = static_cast<int64_t>(b.number) * plan_.block_rows;
  TrainGather<T> p;
  p.block = b.size;
  p.data = data.x;
  p.stride = data.stride;
  p.order = batch.order ? batch.order + from : nullptr;
  p.first = batch.first + from;
  const Value& input = plan_.values[static_cast<size_t>(plan_.input)];
  p.features = input.features;
  p.x = b.row(input.row);
  if (batch.next && from < batch.next_count) {
    p.next = batch.next + from;
    p.next_count = static_cast<int>(std::min<int64_t>(plan_.block_rows, batch.next_count - from));
  }
  kernels_.norm.gather(p);
  if (b.wanted) {
    p.data = data.wanted;
    p.stride = data.wanted_stride;
    p.features = classes_;
    p.x = b.wanted;
    kernels_.norm.gather(p);
  }
#if defined(__GNUC__)
  for (int j = 0; j < p.next_count; ++j) __builtin_prefetch(data.y + p.next[j]);
#endif
  for (int s = 0; s < b.size.valid; ++s) b.labels[s] = static_cast<T>(data.y[p.order ? p.order[s] : p.first + s]);
  for (int s = b.size.valid; s < b.size.rows; ++s) b.labels[s] = T(0);
}

template <class T>
double BatchRunner<T>::classify(const Block<T>& b, bool backward, double scale, int64_t* confusion) const {
  const Value& logits = plan_.values[static_cast<size_t>(plan_.output)];
  return kernels_.loss({b.size, b.row(logits.row), backward ? b.row(logits.gradient) : nullptr, b.labels, b.wanted,
                        classes_, static_cast<T>(scale), confusion, b.predicted});
}

template <class T>
template <class Run>
void BatchRunner<T>::for_blocks(const BatchSize& size, const Run& run) {
  const int parts = parts_of(size.blocks), each = size.blocks / parts, more = size.blocks % parts;
  const auto run_part = [&](int64_t part) {
    const int number = static_cast<int>(part);
    const int begin = number * each + std::min(number, more);
    for (int b = begin; b < begin + each + (number < more ? 1 : 0); ++b) run(b, number);
  };
  if (pool_.threads() > 1 && parts > 1 && size.rows * plan_.products >= kWorthThreads) {
    pool_.run(parts, run_part);
  } else {
    for (int part = 0; part < parts; ++part) run_part(part);
  }
}

template <class T>
void BatchRunner<T>::finish(const Phase& phase, const BatchSize& size, bool backward) {
  for (const Item& item : phase) {
    if (!item.statistics) continue;
    const int norm = plan_.steps[static_cast<size_t>(item.step)].norm;
    if (backward) {
      norms_.take_gradients(norm, size, weights_.values.data(), weights_.gradient());
    } else {
      norms_.take_moments(norm, size, weights_.values.data());
    }
  }
}

template <class T>
double BatchRunner<T>::collect(int parts, int64_t* confusion) {
  double loss = 0;
  for (int i = 0; i < parts; ++i) {
    Part& part = parts_[static_cast<size_t>(i)];
    loss += part.loss;
    part.loss = 0;
    for (size_t c = 0; c < part.confusion.size(); ++c) {
      confusion[c] += part.confusion[c];
      part.confusion[c] = 0;
    }
  }
  return loss;
}

template <class T>
double BatchRunner<T>::train(const Rows<T>& data, const Batch& batch, double scale, bool keep, int64_t* confusion) {
  const BatchSize& size = batch.size;
  if (!data.wanted && narrow_.takes(size.rows)) return narrow_.train(data, batch, scale, keep, confusion);
  const int parts = parts_of(size.blocks);
  weights_.round();
  runner_.prepare(weights_.used());
  weights_.begin(parts, keep);
  const size_t last = plan_.forward.size() - 1;
  for (size_t phase = 0; phase < plan_.forward.size(); ++phase) {
    for_blocks(size, [&](int number, int part) {
      Block<T> b = block(number, number, part, size);
      if (data.wanted) b.wanted = b.predicted + ld_;
      if (phase == 0) fetch(data, batch, b);
      runner_.forward(plan_.forward[phase], b);
      if (phase < last) return;
      Part& mine = parts_[static_cast<size_t>(part)];
      mine.loss += classify(b, true, scale, mine.confusion.data());
      runner_.backward(plan_.backward[0], b);
    });
    finish(plan_.forward[phase], size, false);
  }
  finish(plan_.backward[0], size, true);
  for (size_t phase = 1; phase < plan_.backward.size(); ++phase) {
    for_blocks(size, [&](int number, int part) {
      runner_.backward(plan_.backward[phase], block(number, number, part, size));
    });
    finish(plan_.backward[phase], size, true);
  }
  weights_.add_up(parts);
  return collect(parts, confusion);
}

template <class T>
double BatchRunner<T>::evaluate_block(const T* x, const uint16_t* y, const BatchSize& size, int number, int part) {
  const int features = plan_.values[static_cast<size_t>(plan_.input)].features;
  const int64_t stride = padded(features), first = static_cast<int64_t>(number) * plan_.block_rows;
  const Block<T> b = block(number, part, 0, size);
  T* packed = packed_.data() + part * plan_.block_rows * stride;
  for (int s = 0; s < b.size.valid; ++s) std::copy_n(x + (first + s) * features, features, packed + s * stride);
  Batch alone;
  alone.first = -first;  // the block's rows lie at the beginning of the packed ones
  fetch({packed, y + first, stride}, alone, b);
  for (const Phase& phase : plan_.forward)
    for (const Item& item : phase)
      if (!item.statistics) runner_.forward({item}, b);
  return classify(b, false, 1.0, parts_[static_cast<size_t>(part)].confusion.data());
}

template <class T>
double BatchRunner<T>::evaluate(const T* x, const uint16_t* y, int64_t rows, int64_t* confusion) {
  reserve(static_cast<int64_t>(plan_.block_rows) * kTrainParts);
  const int features = plan_.values[static_cast<size_t>(plan_.input)].features;
  packed_.resize(static_cast<size_t>(kTrainParts * plan_.block_rows) * static_cast<size_t>(padded(features)));
  weights_.round();
  runner_.prepare(weights_.used());
  norms_.take_running(weights_.values.data());
  const BatchSize size = size_of(rows);
  for_blocks(size, [&](int number, int part) {
    parts_[static_cast<size_t>(part)].loss += evaluate_block(x, y, size, number, part);
  });
  return collect(parts_of(size.blocks), confusion);
}

template class BatchRunner<float>;
template class BatchRunner<double>;

}  // namespace chop::trainer
