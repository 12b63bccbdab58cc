#include "chop/trainer/learned.h"

#include <algorithm>
#include <cmath>

namespace chop::trainer {
namespace {

constexpr double kLn2 = 0.69314718055994530942, kBeta1 = 0.9, kBeta2 = 0.999, kEps = 1e-8;
constexpr double kMost = 24;  // of fractions and integer bits, either way, so that codes stay exact

}  // namespace

template <class T>
Learned<T>::Learned(const Plan& plan) : plan_(plan) {
  const auto groups = static_cast<size_t>(plan.groups);
  for (std::vector<T>* numbers : {&widths, &first, &second, &totals_}) numbers->resize(2 * groups);
  int64_t numbers = 0, most = 0;
  for (const LearnedGroups& of : plan.learned) {
    (of.parameter ? numbers : values_) += of.parameter ? of.size : of.groups();
    most = std::max(most, of.size);
  }
  grids_.resize(6 * static_cast<size_t>(values_));
  weight_bits_.resize(static_cast<size_t>(numbers));
  for (std::vector<T>* row : {&row_, &columns_}) row->resize(static_cast<size_t>(most));
}

template <class T>
LearnedGrids<T> Learned<T>::grids(const LearnedGroups& of) const {
  T* from = grids_.data() + of.values;
  const int64_t n = values_;
  return {from, from + n, from + 2 * n, from + 3 * n, from + 4 * n, from + 5 * n};
}

template <class T>
void Learned<T>::prepare() {
  finite_ = true;
  for (const LearnedGroups& of : plan_.learned) {
    if (of.parameter) continue;
    const T* f = widths.data() + of.first;
    kernels_.grids(f, f + plan_.groups, of.is_signed, of.groups(), grids(of));
  }
}

template <class T>
void Learned<T>::round(const Rounded& rounded, const T* from, T* to) {
  const LearnedGroups& of = plan_.learned[static_cast<size_t>(rounded.learned)];
  finite_ &= kernels_.weights(
      {widths.data() + of.first, from, to, weight_bits_.data() + of.bits, of.size, of.share});
}

template <class T>
void Learned<T>::forward(const Step& step, const Block<T>& b) const {
  const LearnedGroups& of = plan_.learned[static_cast<size_t>(step.learned)];
  kernels_.values({&b.size, grids(of), static_cast<int>(of.size), static_cast<int>(of.share),
                   b.row(plan_.values[static_cast<size_t>(step.a)].row),
                   b.row(plan_.values[static_cast<size_t>(step.out)].row)});
}

template <class T>
void Learned<T>::backward(const Step& step, const Block<T>& b, T* dx) const {
  const LearnedGroups& of = plan_.learned[static_cast<size_t>(step.learned)];
  const Value& out = plan_.values[static_cast<size_t>(step.out)];
  LearnedValuesBack<T> p;
  p.forward = {&b.size,
               grids(of),
               static_cast<int>(of.size),
               static_cast<int>(of.share),
               b.row(plan_.values[static_cast<size_t>(step.a)].row),
               b.row(out.row)};
  p.g = b.row(out.gradient);
  p.dx = dx;
  p.sums = b.widths + 2 * of.values;
  kernels_.values_back(p);
}

template <class T>
void Learned<T>::begin(int parts, bool keep) {
  const auto all = static_cast<size_t>(2 * values_) * static_cast<size_t>(parts);
  if (gradients_.size() < all) gradients_.resize(all);
  std::fill(gradients_.begin(), gradients_.begin() + static_cast<int64_t>(all), T(0));
  if (!keep) std::fill(totals_.begin(), totals_.end(), T(0));
}

template <class T>
void Learned<T>::add_up(int parts, const T* weights, const T* used, const T* gradients) {
  const T ln2 = static_cast<T>(kLn2);
  T *fractions = totals_.data(), *integers = fractions + plan_.groups;
  for (const LearnedGroups& of : plan_.learned) {
    if (of.parameter) continue;
    for (int part = 0; part < parts; ++part) {
      const T* sums = gradient(part) + 2 * of.values;
      for (int64_t g = 0; g < of.groups(); ++g) {
        fractions[of.first + g] += ln2 * sums[2 * g];
        integers[of.first + g] += ln2 * sums[2 * g + 1];
      }
    }
  }
  for (const Rounded& r : plan_.rounded) {
    if (r.learned < 0) continue;
    const LearnedGroups& of = plan_.learned[static_cast<size_t>(r.learned)];
    const T *w = weights + r.place, *q = used + r.place, *g = gradients + r.place;
    T* to = fractions + of.first;  // the gradients are those of all batches of the update
    if (of.share == 1) {
      kernels_.fractions(w, q, g, to, of.size);
      continue;
    }
    for (int64_t group = 0, e = 0; group < of.groups(); ++group) {
      T sum = 0;
      for (int64_t s = 0; s < of.share; ++s, ++e) sum += (w[e] - q[e]) * g[e];
      to[group] = ln2 * sum;
    }
  }
}

template <class T>
double Learned<T>::bits() const {
  double total = 0;
  for (const LearnedProduct& p : plan_.learned_products) {
    const LearnedGroups& inputs = plan_.learned[static_cast<size_t>(p.inputs)];
    pay(p, T(0), nullptr);
    const T* x = grids(inputs).bits;
    for (int64_t i = 0; i < inputs.size; ++i)
      total += static_cast<double>(columns_[static_cast<size_t>(i)]) * static_cast<double>(x[i / inputs.share]);
  }
  return total;
}

// Leaves the sums of the bits of the weights of each input in columns_.
template <class T>
void Learned<T>::pay(const LearnedProduct& p, T each, T* to) const {
  const LearnedGroups &weights = plan_.learned[static_cast<size_t>(p.weights)],
                      &inputs = plan_.learned[static_cast<size_t>(p.inputs)];
  const T* x = grids(inputs).bits;
  for (int64_t i = 0; i < inputs.size; ++i) row_[static_cast<size_t>(i)] = each * x[i / inputs.share];
  std::fill_n(columns_.begin(), inputs.size, T(0));
  kernels_.price({weight_bits_.data() + weights.bits, row_.data(), columns_.data(), to ? to + weights.first : nullptr,
                  weights.size / inputs.size, inputs.size, weights.share});
}

// One more bit of a weight costs the bits of its input, and the other way round; a number without bits pays nothing.
template <class T>
void Learned<T>::add_price(std::vector<T>* to) const {
  const T each = static_cast<T>(price);
  for (const LearnedProduct& p : plan_.learned_products) {
    pay(p, each, to->data());
    const LearnedGroups& inputs = plan_.learned[static_cast<size_t>(p.inputs)];
    const T* x = grids(inputs).bits;
    T *of_f = to->data() + inputs.first, *of_i = of_f + plan_.groups;
    for (int64_t i = 0; i < inputs.size; ++i) {
      const int64_t group = i / inputs.share;
      if (x[group] <= T(0)) continue;
      of_f[group] += each * columns_[static_cast<size_t>(i)];
      of_i[group] += each * columns_[static_cast<size_t>(i)];
    }
  }
}

// Weights have no integer bits of their own.
template <class T>
void Learned<T>::update() {
  if (empty() || rate == 0) return;
  priced_ = totals_;
  if (price != 0) add_price(&priced_);
  ++updates;
  const double n = static_cast<double>(updates);
  const TrainAdam constants{
      rate, kBeta1, kBeta2, kEps, 0.0, false, 1.0 - std::pow(kBeta1, n), std::sqrt(1.0 - std::pow(kBeta2, n))};
  const auto move = [&](int64_t from, int64_t count) {
    const auto& kernels = Real<T>::kernels().update;
    kernels.adam(constants, widths.data() + from, priced_.data() + from, first.data() + from, second.data() + from,
                 count);
    kernels.limit(widths.data() + from, static_cast<T>(kMost), count);
  };
  move(0, plan_.groups);
  for (const LearnedGroups& of : plan_.learned)
    if (!of.parameter) move(plan_.groups + of.first, of.groups());
}

template class Learned<float>;
template class Learned<double>;

}  // namespace chop::trainer
