// The parameters in one row of memory, with all that an update of them needs.
#pragma once

#include <vector>

#include "chop/trainer/learned.h"
#include "chop/trainer/plan.h"
#include "chop/trainer/real.h"

namespace chop::trainer {

// Powers of one number. All but one of kStride in a row need no call of pow; which digits come out depends on the
// exponent alone.
class Powers {
 public:
  explicit Powers(double base);
  double operator()(int64_t exponent);

 private:
  static constexpr int64_t kStride = 64;
  double base_, low_[kStride], high_ = 1.0;
  int64_t stride_ = 0;  // that high_ is of
};

template <class T>
class Weights {
 public:
  Weights(const Plan& plan, const Specification& specification, const Options& options);

  // What layers compute with: the parameters, rounded where they have a grid. Read after `round`.
  const T* used() const { return rounded_.empty() ? values.data() : shadow_.data(); }
  void round();

  // Gradients of one part of a batch; the parts are added up in their order.
  void begin(int parts, bool keep);
  T* gradient(int part) { return gradients_.data() + static_cast<int64_t>(part) * plan_.parameters; }
  void add_up(int parts);

  void update(double learning_rate);

  std::vector<T> values, first, second;  // the moments of Adam; first is SGD's momentum buffer
  int64_t updates = 0;
  T* gradient() { return gradients_.data(); }

  Learned<T> learned;

 private:
  void clip();

  const Plan& plan_;
  Options options_;
  Powers powers1_{options_.beta1}, powers2_{options_.beta2};
  std::vector<int64_t> places_;  // of the trained parameters, and their end
  const std::vector<Rounded>& rounded_;
  std::vector<ElementGrids<T>> grids_;  // of `rounded_`, number by number
  std::vector<T> shadow_, gradients_, clipped_;
  const TrainUpdateKernels<T>& kernels_ = Real<T>::kernels().update;
};

extern template class Weights<float>;
extern template class Weights<double>;

}  // namespace chop::trainer
