#include "chop/trainer/learned.h"

#include <algorithm>
#include <cmath>

namespace chop::trainer {
namespace {

constexpr double kLn2 = 0.69314718055994530942, kBeta1 = 0.9, kBeta2 = 0.999, kEps = 1e-8;
constexpr double kLeast = -24, kMost = 24;  // of fractions and integer bits, so that codes stay exact

}  // namespace

template <class T>
Learned<T>::Learned(const Plan& plan) : plan_(plan) {
  const auto groups = static_cast<size_t>(plan.groups);
  for (std::vector<T>* numbers : {&widths, &first, &second}) numbers->resize(2 * groups);
  grids_.resize(6 * groups);
  totals_.resize(2 * groups);
  int64_t count = 0;
  for (const LearnedGroups& of : plan.learned) count += of.parameter ? of.size : 0;
  weight_bits_.resize(static_cast<size_t>(count));
}

template <class T>
LearnedGrids<T> Learned<T>::grids(const LearnedGroups& of) const {
  T* from = grids_.data() + of.first;
  const int64_t n = plan_.groups;
  return {from, from + n, from + 2 * n, from + 3 * n, from + 4 * n, from + 5 * n};
}

template <class T>
void Learned<T>::prepare() {
  for (const LearnedGroups& of : plan_.learned) {
    const T* f = widths.data() + of.first;
    kernels_.grids(f, of.parameter ? nullptr : f + plan_.groups, of.is_signed, of.groups(), grids(of));
  }
}

template <class T>
void Learned<T>::round(const Rounded& rounded, const T* from, T* to) {
  const LearnedGroups& of = plan_.learned[static_cast<size_t>(rounded.learned)];
  kernels_.weights({from, to, weight_bits_.data() + of.bits, of.size, of.share, grids(of)});
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
  p.sums = b.widths + 2 * of.first;
  kernels_.values_back(p);
}

template <class T>
void Learned<T>::begin(int parts, bool keep) {
  const auto count = static_cast<size_t>(2 * plan_.groups), all = count * static_cast<size_t>(parts);
  if (gradients_.size() < all) gradients_.resize(all);
  std::fill(gradients_.begin(), gradients_.begin() + static_cast<int64_t>(all), T(0));
  if (!keep) totals_.assign(count, T(0));
}

template <class T>
void Learned<T>::add_up(int parts, const T* weights, const T* used, const T* gradients) {
  const T ln2 = static_cast<T>(kLn2);
  T *fractions = totals_.data(), *integers = fractions + plan_.groups;
  for (int part = 0; part < parts; ++part) {
    const T* sums = gradient(part);
    for (int64_t g = 0; g < plan_.groups; ++g) {
      fractions[g] += ln2 * sums[2 * g];
      integers[g] += ln2 * sums[2 * g + 1];
    }
  }
  for (const Rounded& r : plan_.rounded) {
    if (r.learned < 0) continue;
    const LearnedGroups& of = plan_.learned[static_cast<size_t>(r.learned)];
    const T *w = weights + r.place, *q = used + r.place, *g = gradients + r.place;
    T* to = fractions + of.first;  // the gradients are those of all batches of the update
    if (of.share == 1) {           // apart, so that it is a loop of vectors
      for (int64_t e = 0; e < of.size; ++e) to[e] = ln2 * ((w[e] - q[e]) * g[e]);
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
    const LearnedGroups &weights = plan_.learned[static_cast<size_t>(p.weights)],
                        &inputs = plan_.learned[static_cast<size_t>(p.inputs)];
    const T *w = weight_bits_.data() + weights.bits, *x = grids(inputs).bits;
    for (int64_t e = 0; e < weights.size; ++e) {
      const T each = x[e % inputs.size / inputs.share];
      total += static_cast<double>(std::max(w[e], T(0))) * static_cast<double>(each);
    }
  }
  return total;
}

// One more bit of a weight costs the bits of its input, and the other way round; a number without bits pays nothing.
template <class T>
void Learned<T>::add_price(std::vector<T>* to) const {
  const T each = static_cast<T>(price);
  std::vector<T> row, columns;
  for (const LearnedProduct& p : plan_.learned_products) {
    const LearnedGroups &weights = plan_.learned[static_cast<size_t>(p.weights)],
                        &inputs = plan_.learned[static_cast<size_t>(p.inputs)];
    const int64_t ins = inputs.size;
    const T *w = weight_bits_.data() + weights.bits, *x = grids(inputs).bits;
    row.resize(static_cast<size_t>(ins));
    columns.assign(static_cast<size_t>(ins), T(0));
    for (int64_t i = 0; i < ins; ++i) row[static_cast<size_t>(i)] = each * x[i / inputs.share];
    T* fractions = to->data() + weights.first;
    for (int64_t e = 0; e < weights.size; e += ins) {
      for (int64_t i = 0; i < ins; ++i) columns[static_cast<size_t>(i)] += std::max(w[e + i], T(0));
      if (weights.share == 1) {
        for (int64_t i = 0; i < ins; ++i) fractions[e + i] += w[e + i] > T(0) ? row[static_cast<size_t>(i)] : T(0);
      } else {
        T sum = 0;
        for (int64_t i = 0; i < ins; ++i) sum += w[e + i] > T(0) ? row[static_cast<size_t>(i)] : T(0);
        fractions[e / weights.share] += sum;
      }
    }
    T *of_f = to->data() + inputs.first, *of_i = of_f + plan_.groups;
    for (int64_t i = 0; i < ins; ++i) {
      const int64_t group = i / inputs.share;
      if (x[group] <= T(0)) continue;
      of_f[group] += each * columns[static_cast<size_t>(i)];
      of_i[group] += each * columns[static_cast<size_t>(i)];
    }
  }
}

template <class T>
void Learned<T>::update() {
  if (empty() || rate == 0) return;
  std::vector<T> gradients = totals_;
  if (price != 0) add_price(&gradients);
  ++updates;
  const double n = static_cast<double>(updates);
  const TrainAdam constants{
      rate, kBeta1, kBeta2, kEps, 0.0, false, 1.0 - std::pow(kBeta1, n), std::sqrt(1.0 - std::pow(kBeta2, n))};
  Real<T>::kernels().update.adam(constants, widths.data(), gradients.data(), first.data(), second.data(),
                                 2 * plan_.groups);
  for (T& width : widths) width = std::clamp(width, static_cast<T>(kLeast), static_cast<T>(kMost));
}

template class Learned<float>;
template class Learned<double>;

}  // namespace chop::trainer
