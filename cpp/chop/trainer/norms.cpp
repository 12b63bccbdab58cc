#include "chop/trainer/norms.h"

#include <algorithm>

namespace chop::trainer {
namespace {

enum Array { kMean, kInverse, kAlpha, kShift, kPart, kMeanGradient, kVariance, kArrays };

}  // namespace

template <class T>
Norms<T>::Norms(const Plan& plan, const Specification& specification) : plan_(plan) {
  int64_t place = 0;
  for (const int channels : specification.running) {
    places_.push_back(place);
    place += 2 * channels;
  }
  running.resize(static_cast<size_t>(place));
  batches.resize(specification.running.size());
  for (const Norm& norm : plan.norms) {
    starts_.push_back(channels_);
    channels_ += norm.channels;
  }
  memory_.resize(static_cast<size_t>(channels_) * kArrays);
}

template <class T>
void Norms<T>::reserve(int blocks) {
  if (blocks <= blocks_) return;
  sums_.resize(static_cast<size_t>(blocks * channels_ * 2));
  blocks_ = blocks;
}

template <class T>
T* Norms<T>::channel_memory(int norm, int which) const {
  return memory_.data() + which * channels_ + starts_[static_cast<size_t>(norm)];
}

template <class T>
T* Norms<T>::mean(int norm) {
  return channel_memory(norm, kMean);
}

template <class T>
T* Norms<T>::variance(int norm) {
  return channel_memory(norm, kVariance);
}

template <class T>
TrainNorm<T> Norms<T>::constants(int norm, const T* parameters) const {
  const Norm& n = plan_.norms[static_cast<size_t>(norm)];
  return {n.gamma >= 0 ? parameters + n.gamma : nullptr,
          n.beta >= 0 ? parameters + n.beta : nullptr,
          channel_memory(norm, kMean),
          channel_memory(norm, kInverse),
          channel_memory(norm, kAlpha),
          channel_memory(norm, kShift),
          channel_memory(norm, kPart),
          channel_memory(norm, kMeanGradient)};
}

template <class T>
T* Norms<T>::first_sum(int norm, int block) {
  return sums_.data() + (static_cast<int64_t>(block) * channels_ + starts_[static_cast<size_t>(norm)]) * 2;
}

template <class T>
T* Norms<T>::second_sum(int norm, int block) {
  return first_sum(norm, block) + plan_.norms[static_cast<size_t>(norm)].channels;
}

// Means and squares of the blocks become those of the batch, in the order of the blocks.
// Source: Chan, Golub and LeVeque, Updating formulae and a pairwise algorithm for computing sample variances (1979).
template <class T>
void Norms<T>::take_moments(int norm, const BatchSize& batch, const T* parameters) {
  const Norm& n = plan_.norms[static_cast<size_t>(norm)];
  T *mean = channel_memory(norm, kMean), *variance = channel_memory(norm, kVariance);
  const T share = T(1) / static_cast<T>(batch.rows * n.positions);
  const T *first = first_sum(norm, 0), *second = second_sum(norm, 0);
  if (batch.blocks == 1) {
    for (int c = 0; c < n.channels; ++c) {
      mean[c] = first[c];
      variance[c] = second[c] * share;
    }
  } else {
    for (int c = 0; c < n.channels; ++c) {
      double so_far = 0, average = 0, squares = 0;
      for (int b = 0; b < batch.blocks; ++b) {
        const double count = batch.valid(b), total = so_far + count;
        const double distance = static_cast<double>(first_sum(norm, b)[c]) - average;
        average += distance * (count / total);
        squares +=
            static_cast<double>(second_sum(norm, b)[c]) + distance * distance * n.positions * (so_far * count / total);
        so_far = total;
      }
      mean[c] = static_cast<T>(average);
      variance[c] = static_cast<T>(squares / static_cast<double>(batch.rows * n.positions));
    }
  }
  kernels_.constants(n.channels, variance, static_cast<T>(n.eps), constants(norm, parameters));
}

template <class T>
void Norms<T>::take_gradients(int norm, const BatchSize& batch, const T* parameters, T* gradients) {
  const Norm& n = plan_.norms[static_cast<size_t>(norm)];
  T *sum = first_sum(norm, 0), *dot = second_sum(norm, 0);
  for (int b = 1; b < batch.blocks; ++b)
    for (int c = 0; c < n.channels; ++c) {
      sum[c] += first_sum(norm, b)[c];
      dot[c] += second_sum(norm, b)[c];
    }
  kernels_.parts(n.channels, sum, dot, static_cast<T>(batch.rows * n.positions), constants(norm, parameters),
                 n.gamma >= 0 ? gradients + n.gamma : nullptr, n.beta >= 0 ? gradients + n.beta : nullptr);
}

template <class T>
void Norms<T>::take_running(const T* parameters) {
  for (size_t i = 0; i < plan_.norms.size(); ++i) {
    const Norm& n = plan_.norms[i];
    const T* mean = running.data() + running_place(n.running);
    std::copy(mean, mean + n.channels, channel_memory(static_cast<int>(i), kMean));
    kernels_.constants(n.channels, mean + n.channels, static_cast<T>(n.eps),
                       constants(static_cast<int>(i), parameters));
  }
}

template <class T>
void Norms<T>::commit(const BatchSize& batch) {
  for (size_t i = 0; i < plan_.norms.size(); ++i) {
    const Norm& n = plan_.norms[i];
    const auto seen = ++batches[static_cast<size_t>(n.running)];
    const T part = static_cast<T>(n.momentum < 0 ? 1.0 / static_cast<double>(seen) : n.momentum);
    const auto count = static_cast<double>(batch.rows * n.positions);
    const T unbiased = static_cast<T>(count / (count - 1));
    T *mean = running.data() + running_place(n.running), *variance = mean + n.channels;
    const T *now = channel_memory(static_cast<int>(i), kMean), *spread = channel_memory(static_cast<int>(i), kVariance);
    for (int c = 0; c < n.channels; ++c) {
      mean[c] = part * now[c] + (T(1) - part) * mean[c];
      variance[c] = part * (spread[c] * unbiased) + (T(1) - part) * variance[c];
    }
  }
}

template class Norms<float>;
template class Norms<double>;

}  // namespace chop::trainer
