#include "chop/kernels/simd_tables.h"
// clang-format off: after the tables
#include "chop/kernels/lanes.inl"
// clang-format on

namespace chop::CHOP_ISA {
namespace {

inline float square_root(float v) { return __builtin_sqrtf(v); }
inline double square_root(double v) { return __builtin_sqrt(v); }

// Mean and 1 / sqrt(variance + eps) of the rows of a group, sample by sample.
template <class T>
struct Moments {
  typename VectorOf<T>::type mean, inverse;
};

template <class T>
Moments<T> moments_of(const TrainRowNorm<T>& p, const T* x) {
  using V = typename VectorOf<T>::type;
  Moments<T> found{};
  for (int r = 0; r < p.rows; ++r) found.mean += load(x + r * p.ld);
  found.mean /= static_cast<T>(p.rows);
  V squares{};
  for (int r = 0; r < p.rows; ++r) {
    const V distance = load(x + r * p.ld) - found.mean;
    squares += distance * distance;
  }
  squares = squares / static_cast<T>(p.rows) + p.eps;
  for (int l = 0; l < VectorOf<T>::lanes; ++l) found.inverse[l] = T(1) / square_root(squares[l]);
  return found;
}

// Calls visit(offset of the first row, its number) for each group and each few samples.
template <class T, class Visit>
inline void for_groups(const TrainRowNorm<T>& p, Visit visit) {
  for (int group = 0; group < p.groups; ++group)
    for (int s = 0; s < p.samples; s += VectorOf<T>::lanes)
      visit(static_cast<int64_t>(group) * p.rows * p.ld + s, group * p.rows);
}

template <class T>
inline int weight_of(const TrainRowNorm<T>& p, int row) {
  return row / p.positions % p.weights;
}

template <class T>
void forward(const TrainRowNorm<T>& p) {
  for_groups(p, [&](int64_t at, int first) {
    const Moments<T> m = moments_of(p, p.x + at);
    for (int r = 0; r < p.rows; ++r) {
      const int w = weight_of(p, first + r);
      const auto normal = (load(p.x + at + r * p.ld) - m.mean) * m.inverse;
      store(p.y + at + r * p.ld, normal * (p.gamma ? p.gamma[w] : T(1)) + (p.beta ? p.beta[w] : T(0)));
    }
  });
}

template <class T>
T sum_of(typename VectorOf<T>::type v) {
  T sum = 0;
  for (int l = 0; l < VectorOf<T>::lanes; ++l) sum += v[l];
  return sum;
}

// With n the normal numbers and h = gamma g: dx = (h - mean of h - n (mean of h n)) / sqrt(variance + eps).
template <class T>
void backward(const TrainRowNorm<T>& p) {
  using V = typename VectorOf<T>::type;
  for_groups(p, [&](int64_t at, int first) {
    const Moments<T> m = moments_of(p, p.x + at);
    V sum{}, dot{};
    for (int r = 0; r < p.rows; ++r) {
      const int w = weight_of(p, first + r);
      const V g = load(p.g + at + r * p.ld), normal = (load(p.x + at + r * p.ld) - m.mean) * m.inverse;
      if (p.dgamma) p.dgamma[w] += sum_of<T>(g * normal);
      if (p.dbeta) p.dbeta[w] += sum_of<T>(g);
      const V h = g * (p.gamma ? p.gamma[w] : T(1));
      sum += h;
      dot += h * normal;
    }
    if (!p.dx) return;
    sum /= static_cast<T>(p.rows);
    dot /= static_cast<T>(p.rows);
    for (int r = 0; r < p.rows; ++r) {
      const int64_t place = at + r * p.ld;
      const V normal = (load(p.x + place) - m.mean) * m.inverse;
      const V h = load(p.g + place) * (p.gamma ? p.gamma[weight_of(p, first + r)] : T(1));
      const V found = (h - sum - normal * dot) * m.inverse;
      store(p.dx + place, p.add ? load(p.dx + place) + found : found);
    }
  });
}

}  // namespace

extern const TrainRowNormKernels<float> train_row_norms_f32;
extern const TrainRowNormKernels<double> train_row_norms_f64;
const TrainRowNormKernels<float> train_row_norms_f32 = {forward<float>, backward<float>};
const TrainRowNormKernels<double> train_row_norms_f64 = {forward<double>, backward<double>};

}  // namespace chop::CHOP_ISA
