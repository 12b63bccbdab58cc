#include "chop/trainer/weights.h"

#include <algorithm>
#include <cmath>

namespace chop::trainer {

Powers::Powers(double base) : base_(base) {
  for (int64_t i = 0; i < kStride; ++i) low_[i] = std::pow(base, static_cast<double>(i));
}

double Powers::operator()(int64_t exponent) {
  if (exponent < 0) return std::pow(base_, static_cast<double>(exponent));
  if (const int64_t stride = exponent / kStride; stride != stride_) {
    stride_ = stride;
    high_ = std::pow(base_, static_cast<double>(stride * kStride));
  }
  return high_ * low_[exponent % kStride];
}

template <class T>
Weights<T>::Weights(const Plan& plan, const Specification& specification, const Options& options)
    : learned(plan), plan_(plan), options_(options), rounded_(plan.rounded) {
  const auto count = static_cast<size_t>(plan.parameters);
  values.resize(count);
  first.resize(count);
  second.resize(count);
  gradients_.resize(count);
  shadow_.resize(rounded_.empty() ? 0 : count);
  for (const Rounded& r : rounded_) {
    ElementFormats formats;
    for (const GridRun& run : r.grids) formats.insert(formats.end(), static_cast<size_t>(run.count), run.format);
    grids_.emplace_back(formats);
  }
  places_.push_back(0);
  for (int i = 0; i < specification.trained; ++i)
    places_.push_back(places_.back() + specification.sizes[static_cast<size_t>(i)]);
}

template <class T>
void Weights<T>::round() {
  if (rounded_.empty()) return;
  std::copy(values.begin(), values.end(), shadow_.begin());
  learned.prepare();
  for (size_t i = 0; i < rounded_.size(); ++i) {
    const Rounded& r = rounded_[i];
    const T* from = values.data() + r.place;
    T* to = shadow_.data() + r.place;
    if (r.values) {
      to_values(r.values, from, to);
    } else if (r.learned >= 0) {
      learned.round(r, from, to);
    } else if (r.grids.size() == 1) {
      on_grid(r.grids.front(), from, to, r.size);
    } else {
      Real<T>::fake_quantize_each()(from, to, r.size, grids_[i].from());
    }
  }
}

template <class T>
void Weights<T>::begin(int parts, bool keep) {
  const auto count = static_cast<size_t>(plan_.parameters);
  if (gradients_.size() < count * static_cast<size_t>(parts)) gradients_.resize(count * static_cast<size_t>(parts));
  if (!learned.empty()) learned.begin(parts, keep);
  const size_t from = keep ? count : 0;
  std::fill(gradients_.begin() + static_cast<int64_t>(from),
            gradients_.begin() + static_cast<int64_t>(std::max(from, count * static_cast<size_t>(parts))), T(0));
}

template <class T>
void Weights<T>::add_up(int parts) {
  const auto& combine = Real<T>::kernels().elementwise.combine;
  for (int part = 1; part < parts; ++part) combine(gradient(), T(1), gradient(part), gradient(), plan_.parameters);
  if (!learned.empty()) learned.add_up(parts, values.data(), used(), gradient());
  for (const Rounded& r : rounded_) {
    if (r.learned >= 0) continue;
    for (const GridRun& run : r.grids) {
      if (!plan_.clipped && run.format.width > 0) continue;  // it passes as it is
      T* g = gradient() + r.place + run.first;
      pass_gradient(run, plan_.clipped, values.data() + r.place + run.first, g, g, run.count);
    }
  }
}

// As torch's clip_grad_norm_ and clip_grad_value_ do; the gradients themselves stay as they are.
template <class T>
void Weights<T>::clip() {
  clipped_.assign(gradients_.begin(), gradients_.begin() + plan_.trained);
  if (options_.clip_by == "value")
    return kernels_.limit(clipped_.data(), static_cast<T>(*options_.clip), plan_.trained);
  double squares = 0;
  for (size_t i = 0; i + 1 < places_.size(); ++i)
    squares += kernels_.squares(gradient() + places_[i], places_[i + 1] - places_[i]);
  const double factor = std::min(1.0, *options_.clip / (std::sqrt(squares) + 1e-6));
  kernels_.scale(clipped_.data(), static_cast<T>(factor), plan_.trained);
}

template <class T>
void Weights<T>::update(double learning_rate) {
  const T* g = gradient();
  if (options_.clip) {
    clip();
    g = clipped_.data();
  }
  ++updates;
  learned.update();
  if (options_.optimizer == "sgd") {
    const TrainSgd constants{learning_rate, options_.momentum, options_.weight_decay, options_.nesterov, updates == 1};
    return kernels_.sgd(constants, values.data(), g, first.data(), plan_.trained);
  }
  const TrainAdam constants{learning_rate,           options_.beta1,
                            options_.beta2,          options_.eps,
                            options_.weight_decay,   options_.optimizer == "adamw",
                            1.0 - powers1_(updates), std::sqrt(1.0 - powers2_(updates))};
  kernels_.adam(constants, values.data(), g, first.data(), second.data(), plan_.trained);
}

template class Weights<float>;
template class Weights<double>;

}  // namespace chop::trainer
