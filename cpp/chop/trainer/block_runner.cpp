#include "chop/trainer/block_runner.h"

#include "chop/trainer/learned.h"

namespace chop::trainer {

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
  p.ins = plan_.values[static_cast<size_t>(step.a)].features;
  p.outs = plan_.values[static_cast<size_t>(step.out)].features;
  p.w = b.weights + step.weight;
  p.w_out = p.ins;
  p.w_in = 1;
  p.bias = step.bias >= 0 ? b.weights + step.bias : nullptr;
  p.x = value(step.a, b);
  p.y = value(step.out, b);
  p.relu = step.relu;
  kernels_.linear.product(p);
}

template <class T>
void BlockRunner<T>::run(const Step& step, const Block<T>& b) const {
  const T* a = value(step.a, b);
  T* out = value(step.out, b);
  const int64_t numbers = plan_.values[static_cast<size_t>(step.out)].features * b.size.ld;
  const auto& simple = kernels_.elementwise;
  switch (step.kind) {
    case Kind::linear: return linear(step, b);
    case Kind::norm: {
      const Norm& norm = plan_.norms[static_cast<size_t>(step.norm)];
      return kernels_.norm.normalize(channels(norm, b), norms_.constants(step.norm, parameters_.data()), a, out,
                                     step.relu);
    }
    case Kind::relu: return simple.relu(a, out, numbers);
    case Kind::unary: return simple.unary(step.op, a, out, numbers);
    case Kind::quantize:
      if (step.values) return rows_to_values(step.values, b.size, a, out);
      if (step.learned >= 0) return learned_.forward(step, b);
      for (const GridRun& run : step.grids)
        on_grid(run, a + run.first * b.size.ld, out + run.first * b.size.ld, run.count * b.size.ld);
      return;
    case Kind::add: return simple.combine(a, static_cast<T>(step.factor), value(step.b, b), out, numbers);
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
  const int ins = plan_.values[static_cast<size_t>(step.a)].features;
  const int outs = plan_.values[static_cast<size_t>(step.out)].features;
  if (step.relu) kernels_.elementwise.relu_backward(value(step.out, b), g, g, outs * b.size.ld);
  kernels_.linear.weight_gradient({b.size, g, value(step.a, b), b.gradients + step.weight,
                                   step.bias >= 0 ? b.gradients + step.bias : nullptr, outs, ins});
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
  kernels_.linear.product(p);
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
  const T* g = gradient(step.out, b);
  const int64_t numbers = plan_.values[static_cast<size_t>(step.out)].features * b.size.ld;
  const auto& simple = kernels_.elementwise;
  const auto give = [&](int to, int other, T factor, bool add) {
    T* dx = gradient(to, b);
    if (!dx) return;
    if (step.kind == Kind::add) {
      // A copy is g + 0 g, and so on.
      simple.combine(add ? dx : g, add ? factor : factor - T(1), g, dx, numbers);
    } else if (add) {
      simple.multiply_add(g, value(other, b), dx, numbers);
    } else {
      simple.multiply(g, value(other, b), dx, numbers);
    }
  };
  give(step.a, step.b, T(1), step.add_a);
  give(step.b, step.a, static_cast<T>(step.factor), step.add_b);
}

template <class T>
void BlockRunner<T>::back(const Step& step, const Block<T>& b) const {
  switch (step.kind) {
    case Kind::linear: return back_linear(step, b);
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
