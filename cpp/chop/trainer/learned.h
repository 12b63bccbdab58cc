// Widths that are trained with the weights: fractions and integer bits of groups of numbers, and the price of the bits.
//
// Gradients are straight-through: a number x that becomes q(x) on a grid of step 2^-f gives f the gradient
// ln2 (x - q(x)) times what arrives at q(x). The idea is that of HGQ, arXiv:2405.00645.
#pragma once

#include <cstdint>
#include <vector>

#include "chop/trainer/block_runner.h"
#include "chop/trainer/plan.h"
#include "chop/trainer/real.h"

namespace chop::trainer {

template <class T>
class Learned {
 public:
  explicit Learned(const Plan& plan);

  bool empty() const { return plan_.learned.empty(); }
  void prepare();                                               // grids of the widths as they are
  void round(const Rounded& rounded, const T* from, T* to);     // after prepare
  void forward(const Step& step, const Block<T>& block) const;  // a quantize step
  void backward(const Step& step, const Block<T>& block, T* dx) const;

  // Gradients of one part of a batch; the parts are added up in their order, with those of the parameters' groups.
  void begin(int parts, bool keep);
  T* gradient(int part) {
    return gradients_.empty() ? nullptr : gradients_.data() + static_cast<int64_t>(part) * 2 * values_;
  }
  T* gradient() { return totals_.data(); }  // fractions, then integer bits; without the price
  void add_up(int parts, const T* weights, const T* used, const T* gradients);

  void update();
  bool finite() const { return finite_; }  // all weights, as last rounded
  double bits() const;  // sum over the weights of their bits times the bits of what they are multiplied by

  // Fractions of all groups, then their integer bits (of values; parameters have as many as they need).
  std::vector<T> widths, first, second;
  int64_t updates = 0;
  double rate = 0;   // learning rate of the widths; 0: they stay
  double price = 0;  // of a bit times a bit, in the loss

 private:
  LearnedGrids<T> grids(const LearnedGroups& of) const;
  void pay(const LearnedProduct& product, T each, T* to) const;
  void add_price(std::vector<T>* to) const;

  const Plan& plan_;
  int64_t values_ = 0;                    // groups of inputs
  bool finite_ = true;
  mutable std::vector<T> grids_;          // six arrays [groups of inputs]
  std::vector<T> weight_bits_;            // of the numbers of all learned parameters
  std::vector<T> gradients_;              // [parts][groups of inputs][2]
  std::vector<T> totals_, priced_;
  mutable std::vector<T> row_, columns_;  // of the inputs of one product
  const LearnedKernels<T>& kernels_ = Real<T>::kernels().learned;
};

extern template class Learned<float>;
extern template class Learned<double>;

}  // namespace chop::trainer
