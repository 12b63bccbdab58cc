#include "chop/trainer/narrow_runner.h"

#include <algorithm>
#include <set>
#include <utility>

namespace chop::trainer {
namespace {

int64_t padded(int64_t rows) { return (rows + kNarrow - 1) / kNarrow * kNarrow; }

// Each step takes the result of the one before, no value is wider than a vector, and no parameter serves twice: its
// gradients would have to be added up.
bool is_narrow_chain(const Plan& plan) {
  int last = plan.input;
  std::set<int64_t> places;
  for (const Step& step : plan.steps) {
    if (step.a != last || (step.kind != Kind::linear && step.kind != Kind::norm)) return false;
    if (step.positions != 1) return false;
    int64_t weight = step.weight, bias = step.bias;
    if (step.kind == Kind::norm) {
      const Norm& norm = plan.norms[static_cast<size_t>(step.norm)];
      if (norm.positions != 1) return false;
      weight = norm.gamma;
      bias = norm.beta;
    }
    for (const int64_t place : {weight, bias})
      if (place >= 0 && !places.insert(place).second) return false;
    last = step.out;
  }
  return last == plan.output && plan.largest <= kNarrow && plan.rounded.empty();
}

}  // namespace

template <class T>
NarrowRunner<T>::NarrowRunner(const Plan& plan, Norms<T>& norms, Weights<T>& weights)
    : weights_(weights), classes_(plan.values[static_cast<size_t>(plan.output)].features) {
  if (!kernels_.narrow.forward || !is_narrow_chain(plan)) return;
  std::vector<TrainNarrowStage<T>> stages(1);
  for (const Step& step : plan.steps) {
    auto* stage = &stages.back();
    stage->ins = plan.values[static_cast<size_t>(step.a)].features;
    if (step.kind == Kind::norm) {
      if (stage->norm || stage->relu) return;
      const Norm& norm = plan.norms[static_cast<size_t>(step.norm)];
      stage->norm = true;
      stage->gamma = norm.gamma;
      stage->beta = norm.beta;
      stage->eps = static_cast<T>(norm.eps);
      stage->mean = norms.mean(step.norm);
      stage->variance = norms.variance(step.norm);
    } else {
      stage->outs = plan.values[static_cast<size_t>(step.out)].features;
      stage->weight = step.weight;
      stage->bias = step.bias;
      stage = &stages.emplace_back();
    }
    stage->relu = step.relu;
  }
  stages.back().ins = classes_;
  stages_ = std::move(stages);
}

template <class T>
void NarrowRunner<T>::reserve(int64_t batch_size) {
  const int64_t rows = padded(std::min<int64_t>(batch_size, kNarrowRows));
  if (stages_.empty() || rows <= rows_) return;
  rows_ = 0;  // until there is the memory for them
  const auto stages = static_cast<int64_t>(stages_.size());
  const int64_t numbers = (rows * (stages + 2) + 2 * stages) * kNarrow + (rows + kNarrow) * (2 * classes_ + 2);
  memory_ = make_large_array<T>(numbers + 64);
  inputs_ = aligned(memory_.get());
  scratch_ = inputs_ + rows * stages * kNarrow;
  affine_ = scratch_ + rows * 2 * kNarrow;
  columns_ = affine_ + stages * 2 * kNarrow;
  std::fill(inputs_, inputs_ + numbers, T(0));
  rows_ = rows;
}

template <class T>
void NarrowRunner<T>::fetch_labels(const Rows<T>& data, const Batch& batch, T* labels) {
#if defined(__GNUC__)
  for (int64_t j = 0; j < batch.next_count; ++j) __builtin_prefetch(data.y + batch.next[j]);
#endif
  for (int64_t s = 0; s < batch.size.rows; ++s)
    labels[s] = static_cast<T>(data.y[batch.order ? batch.order[s] : batch.first + s]);
  std::fill(labels + batch.size.rows, labels + padded(batch.size.rows), T(0));
}

template <class T>
double NarrowRunner<T>::train(const Rows<T>& data, const Batch& batch, double scale, bool keep, int64_t* confusion) {
  const auto valid = static_cast<int>(batch.size.rows), rows = static_cast<int>(padded(valid));
  // Columns a power of two apart would meet in the same few places of the cache.
  const TrainBlock block{rows, valid, rows + kNarrow};
  T* const labels = columns_ + 2 * classes_ * block.ld;
  fetch_labels(data, batch, labels);
  TrainNarrow<T> p;
  p.rows.block = block;
  p.rows.data = data.x;
  p.rows.stride = data.stride;
  p.rows.order = batch.order;
  p.rows.first = batch.first;
  p.rows.x = inputs_;
  p.rows.next = batch.next;
  p.rows.next_count = static_cast<int>(batch.next_count);
  p.stages = stages_.data();
  p.count = static_cast<int>(stages_.size());
  p.block = block;
  p.inputs = inputs_;
  p.scratch = scratch_;
  p.affine = affine_;
  p.logits = columns_;
  p.gradient = columns_ + classes_ * block.ld;
  p.weights = weights_.used();
  p.gradients = weights_.gradient();
  p.keep = keep;
  kernels_.narrow.forward(p);
  const double loss = kernels_.loss(
      {block, p.logits, p.gradient, labels, nullptr, classes_, static_cast<T>(scale), confusion, labels + block.ld});
  kernels_.narrow.backward(p);
  return loss;
}

template class NarrowRunner<float>;
template class NarrowRunner<double>;

}  // namespace chop::trainer
