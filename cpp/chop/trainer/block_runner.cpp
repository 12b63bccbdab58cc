#include "chop/trainer/block_runner.h"

#include <algorithm>

#include "chop/trainer/learned.h"

namespace chop::trainer {
namespace {

// Calls run(begin, count) for pieces that stay in the near cache from one pass over them to the next.
template <class Run>
void in_pieces(int64_t numbers, const Run& run) {
  constexpr int64_t kPiece = 2048;
  for (int64_t at = 0; at < numbers; at += kPiece) run(at, std::min(kPiece, numbers - at));
}

}  // namespace

template <class T>
void BlockRunner<T>::forward(const Phase& phase, const Block<T>& block) const {
  for (const Item& item : phase) {
    const Step& step = plan_.steps[static_cast<size_t>(item.step)];
    if (item.statistics) {
      statistics(step, block);
    } else {
      run(step, block);
    }
  }
}

template <class T>
void BlockRunner<T>::backward(const Phase& phase, const Block<T>& block) const {
  for (const Item& item : phase) {
    const Step& step = plan_.steps[static_cast<size_t>(item.step)];
    if (item.statistics) {
      back_statistics(step, block);
    } else {
      back(step, block);
    }
  }
}

template <class T>
void BlockRunner<T>::statistics(const Step& step, const Block<T>& b) const {
  const Norm& norm = plan_.norms[static_cast<size_t>(step.norm)];
  kernels_.norm.moments(channels(norm, b), value(step.a, b), norms_.first_sum(step.norm, b.number),
                        norms_.second_sum(step.norm, b.number));
}

template <class T>
void BlockRunner<T>::linear(const Step& step, const Block<T>& b) const {
  TrainProduct<T> p;
  p.block = b.size;
  p.ins = plan_.values[static_cast<size_t>(step.a)].features / step.positions;
  p.outs = plan_.values[static_cast<size_t>(step.out)].features / step.positions;
  p.w = b.weights + step.weight;
  p.w_out = p.ins;
  p.w_in = 1;
  p.bias = step.bias >= 0 ? b.weights + step.bias : nullptr;
  p.x = value(step.a, b);
  p.y = value(step.out, b);
  p.relu = step.relu;
  for (int i = 0; i < step.positions; ++i, p.x += p.ins * b.size.ld, p.y += p.outs * b.size.ld) product(step, p);
}

template <class T>
void BlockRunner<T>::product(const Step& step, const TrainProduct<T>& p) const {
  if (!leaves_out(step) || !kernels_.sparse.product(p)) kernels_.linear.product(p);
}

template <class T>
bool BlockRunner<T>::leaves_out(const Step& step) const {
  return step.sparse && skips_zeros && learned_.finite();
}

template <class T>
void BlockRunner<T>::run(const Step& step, const Block<T>& b) const {
  const T* a = value(step.a, b);
  T* out = value(step.out, b);
  const int64_t numbers = plan_.values[static_cast<size_t>(step.out)].features * b.size.ld;
  const auto& simple = kernels_.elementwise;
  switch (step.kind) {
    case Kind::linear: return linear(step, b);
    case Kind::conv: return windows_.forward(plan_.convolutions[static_cast<size_t>(step.window)], step, b, a, out);
    case Kind::pool: return windows_.forward(plan_.pools[static_cast<size_t>(step.window)], a, out);
    case Kind::norm: {
      const Norm& norm = plan_.norms[static_cast<size_t>(step.norm)];
      return kernels_.norm.normalize(channels(norm, b), norms_.constants(step.norm, parameters_.data()), a, out,
                                     step.relu);
    }
    case Kind::row_norm: return kernels_.row_norms.forward(row_norm(step, b));
    case Kind::relu: return simple.relu(a, out, numbers);
    case Kind::unary: return simple.unary(step.op, a, out, numbers);
    case Kind::quantize:
      if (step.values) return rows_to_values(step.values, b.size, a, out);
      if (step.learned >= 0) return learned_.forward(step, b);
      for (const GridRun& run : step.grids)
        on_grid(run, a + run.first * b.size.ld, out + run.first * b.size.ld, run.count * b.size.ld);
      return;
    case Kind::add:
      return in_pieces(numbers, [&](int64_t at, int64_t n) {
        simple.combine(a + at, static_cast<T>(step.factor), value(step.b, b) + at, out + at, n);
        if (step.relu) simple.relu(out + at, out + at, n);
      });
    case Kind::multiply: return simple.multiply(a, value(step.b, b), out, numbers);
  }
}

template <class T>
void BlockRunner<T>::back_statistics(const Step& step, const Block<T>& b) const {
  const Norm& norm = plan_.norms[static_cast<size_t>(step.norm)];
  const TrainNorm<T> constants = norms_.constants(step.norm, parameters_.data());
  kernels_.norm.sums(channels(norm, b), constants.mean, value(step.a, b), step.relu ? value(step.out, b) : nullptr,
                     gradient(step.out, b), norms_.first_sum(step.norm, b.number),
                     norms_.second_sum(step.norm, b.number));
}

template <class T>
void BlockRunner<T>::back_linear(const Step& step, const Block<T>& b) const {
  T *g = gradient(step.out, b), *dx = gradient(step.a, b);
  const int features = plan_.values[static_cast<size_t>(step.out)].features, outs = features / step.positions;
  const int ins = plan_.values[static_cast<size_t>(step.a)].features / step.positions;
  if (step.relu) kernels_.elementwise.relu_backward(value(step.out, b), g, g, features * b.size.ld);
  T* db = step.bias >= 0 ? b.gradients + step.bias : nullptr;
  const T* x = value(step.a, b);
  for (int i = 0; i < step.positions; ++i) {
    const TrainWeightGradient<T> part{
        b.size, g + i * outs * b.size.ld, x + i * ins * b.size.ld, b.gradients + step.weight, db, outs, ins};
    if (!leaves_out(step) || !kernels_.sparse.weight_gradient(part)) kernels_.linear.weight_gradient(part);
  }
  if (!dx) return;
  TrainProduct<T> p;
  p.block = b.size;
  p.outs = ins;
  p.ins = outs;
  p.w = b.weights + step.weight;
  p.w_out = 1;
  p.w_in = ins;
  p.x = g;
  p.y = dx;
  p.add = step.add_a;
  for (int i = 0; i < step.positions; ++i, p.x += outs * b.size.ld, p.y += ins * b.size.ld) product(step, p);
}

template <class T>
TrainRowNorm<T> BlockRunner<T>::row_norm(const Step& step, const Block<T>& b) const {
  const RowNorm& norm = plan_.row_norms[static_cast<size_t>(step.row_norm)];
  TrainRowNorm<T> p;
  p.samples = b.size.rows;
  p.ld = b.size.ld;
  p.groups = norm.groups;
  p.rows = norm.rows;
  p.positions = norm.positions;
  p.weights = norm.weights;
  p.eps = static_cast<T>(norm.eps);
  p.gamma = norm.gamma >= 0 ? b.weights + norm.gamma : nullptr;
  p.beta = norm.beta >= 0 ? b.weights + norm.beta : nullptr;
  p.x = value(step.a, b);
  p.y = value(step.out, b);
  return p;
}

template <class T>
void BlockRunner<T>::back_row_norm(const Step& step, const Block<T>& b) const {
  const RowNorm& norm = plan_.row_norms[static_cast<size_t>(step.row_norm)];
  TrainRowNorm<T> p = row_norm(step, b);
  p.g = gradient(step.out, b);
  p.dx = gradient(step.a, b);
  p.dgamma = norm.gamma >= 0 ? b.gradients + norm.gamma : nullptr;
  p.dbeta = norm.beta >= 0 ? b.gradients + norm.beta : nullptr;
  p.add = step.add_a;
  kernels_.row_norms.backward(p);
}

template <class T>
void BlockRunner<T>::back_conv(const Step& step, const Block<T>& b) const {
  T* g = gradient(step.out, b);
  const int64_t numbers = plan_.values[static_cast<size_t>(step.out)].features * b.size.ld;
  if (step.relu) kernels_.elementwise.relu_backward(value(step.out, b), g, g, numbers);
  windows_.backward(plan_.convolutions[static_cast<size_t>(step.window)], step, b, value(step.a, b), g,
                    gradient(step.a, b));
}

template <class T>
void BlockRunner<T>::back_single(const Step& step, const Block<T>& b) const {
  const T *g = gradient(step.out, b), *x = value(step.a, b);
  T* dx = gradient(step.a, b);
  if (!dx && step.learned >= 0) return learned_.backward(step, b, nullptr);
  if (!dx) return;
  const int64_t numbers = plan_.values[static_cast<size_t>(step.a)].features * b.size.ld;
  const auto& simple = kernels_.elementwise;
  T* to = step.add_a ? b.row(plan_.scratch) : dx;
  if (step.kind == Kind::relu) {
    simple.relu_backward(value(step.out, b), g, to, numbers);
  } else if (step.kind == Kind::unary) {
    simple.unary_backward(step.op, x, g, to, numbers);
  } else if (step.learned >= 0) {
    learned_.backward(step, b, to);
  } else if (step.values) {
    if (to != g) simple.combine(g, T(0), g, to, numbers);  // a copy
  } else {
    for (const GridRun& run : step.grids) {
      const int64_t at = run.first * b.size.ld;
      pass_gradient(run, plan_.clipped, x + at, g + at, to + at, run.count * b.size.ld);
    }
  }
  if (step.add_a) simple.combine(dx, T(1), to, dx, numbers);
}

template <class T>
void BlockRunner<T>::back_binary(const Step& step, const Block<T>& b) const {
  T* g = gradient(step.out, b);
  const int64_t numbers = plan_.values[static_cast<size_t>(step.out)].features * b.size.ld;
  const auto& simple = kernels_.elementwise;
  const auto give = [&](int to, int other, T factor, bool add, int64_t at, int64_t n) {
    T* dx = gradient(to, b);
    if (!dx || (step.kind == Kind::add && dx == g)) return;
    if (step.kind == Kind::add) {
      // A copy is g + 0 g, and so on.
      simple.combine((add ? dx : g) + at, add ? factor : factor - T(1), g + at, dx + at, n);
    } else if (add) {
      simple.multiply_add(g + at, value(other, b) + at, dx + at, n);
    } else {
      simple.multiply(g + at, value(other, b) + at, dx + at, n);
    }
  };
  in_pieces(numbers, [&](int64_t at, int64_t n) {
    if (step.relu) simple.relu_backward(value(step.out, b) + at, g + at, g + at, n);
    give(step.a, step.b, T(1), step.add_a, at, n);
    give(step.b, step.a, static_cast<T>(step.factor), step.add_b, at, n);
  });
}

template <class T>
void BlockRunner<T>::back(const Step& step, const Block<T>& b) const {
  switch (step.kind) {
    case Kind::linear: return back_linear(step, b);
    case Kind::conv: return back_conv(step, b);
    case Kind::row_norm: return back_row_norm(step, b);
    case Kind::pool:
      return windows_.backward(plan_.pools[static_cast<size_t>(step.window)], value(step.a, b), value(step.out, b),
                               gradient(step.out, b), gradient(step.a, b), step.add_a);
    case Kind::norm: {
      const Norm& norm = plan_.norms[static_cast<size_t>(step.norm)];
      return kernels_.norm.backward(channels(norm, b), norms_.constants(step.norm, parameters_.data()),
                                    value(step.a, b), gradient(step.out, b), gradient(step.a, b), step.add_a);
    }
    case Kind::add:
    case Kind::multiply: return back_binary(step, b);
    default: return back_single(step, b);
  }
}

template class BlockRunner<float>;
template class BlockRunner<double>;

}  // namespace chop::trainer
