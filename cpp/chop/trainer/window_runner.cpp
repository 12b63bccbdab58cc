#include "chop/trainer/window_runner.h"

#include <algorithm>

#include "chop/trainer/scratch.h"

namespace chop::trainer {
namespace {

// The planes of one group of channels with zeros around them; they themselves where there are no margins.
template <class T>
const T* with_margins(const Margins& m, int channels, const T* from, T* to) {
  if (m.none()) return from;
  const int64_t row = static_cast<int64_t>(m.width) * kPlace, left = static_cast<int64_t>(m.left) * kPlace;
  for (int c = 0; c < channels; ++c) {
    T* plane = to + c * m.plane();
    std::fill(plane, plane + m.top * m.row(), T(0));
    for (int y = 0; y < m.height; ++y, from += row) {
      T* line = plane + m.at(y, 0) - left;
      std::fill(line, line + left, T(0));
      std::copy(from, from + row, line + left);
      std::fill(line + left + row, line + m.row(), T(0));
    }
    std::fill(plane + m.plane() - m.bottom * m.row(), plane + m.plane(), T(0));
  }
  return to;
}

}  // namespace

template <class T>
void WindowRunner<T>::forward(const Convolution& c, const Step& step, const Block<T>& b, const T* x, T* y) const {
  const int64_t in = static_cast<int64_t>(c.x.height) * c.x.width * kPlace;
  const int64_t out = static_cast<int64_t>(c.rows) * c.columns * kPlace;
  if (c.tiled) return tiles_.forward(step, x, step.bias >= 0 ? b.weights + step.bias : nullptr, y);
  T* padded = scratch<T, Scratch::margins>(c.ins * c.x.plane());
  TrainConv<T> p;
  p.samples = kPlace;
  p.w_out = static_cast<int64_t>(c.ins) * c.taps;
  p.w_in = c.taps;
  p.x_channel = c.x.plane();
  p.y_channel = out;
  p.x_taps = c.x_taps.data();
  p.w_taps = c.w_taps.data();
  p.taps = c.taps;
  p.outs = c.outs;
  p.ins = c.ins;
  p.rows = c.rows;
  p.columns = c.columns;
  p.x_row = c.stride_down * c.x.row();
  p.x_column = static_cast<int64_t>(c.stride_across) * kPlace;
  p.y_row = static_cast<int64_t>(c.columns) * kPlace;
  p.y_column = kPlace;
  p.relu = step.relu;
  for (int group = 0; group < c.groups; ++group) {
    p.w = b.weights + step.weight + group * c.outs * p.w_out;
    p.bias = step.bias >= 0 ? b.weights + step.bias + static_cast<int64_t>(group) * c.outs : nullptr;
    p.x = with_margins(c.x, c.ins, x + group * c.ins * in, padded);
    p.y = y + group * c.outs * out;
    kernels_.conv(p);
  }
}

// Places of one remainder by the strides together: to each of them the taps reach from places side by side.
template <class T>
void WindowRunner<T>::back_inputs(const Convolution& c, const Step& step, const T* weights, const T* g, T* dx) const {
  TrainConv<T> p;
  p.samples = kPlace;
  p.w = weights;
  p.w_out = c.taps;
  p.w_in = static_cast<int64_t>(c.ins) * c.taps;
  p.x_channel = c.g.plane();
  p.y_channel = static_cast<int64_t>(c.x.height) * c.x.width * kPlace;
  p.outs = c.ins;
  p.ins = c.outs;
  p.x_row = c.g.row();
  p.x_column = kPlace;
  const int64_t row = static_cast<int64_t>(c.x.width) * kPlace;
  p.y_row = c.stride_down * row;
  p.y_column = static_cast<int64_t>(c.stride_across) * kPlace;
  p.add = step.add_a;
  p.x = g;
  for (const TapClass& of : c.classes) {
    p.x_taps = of.g_taps.data();
    p.w_taps = of.w_taps.data();
    p.taps = static_cast<int>(of.g_taps.size());
    p.rows = of.rows;
    p.columns = of.columns;
    p.y = dx + of.row * row + static_cast<int64_t>(of.column) * kPlace;
    kernels_.conv(p);
  }
}

template <class T>
void WindowRunner<T>::backward(const Convolution& c, const Step& step, const Block<T>& b, const T* x, const T* g,
                               T* dx) const {
  const int64_t in = static_cast<int64_t>(c.x.height) * c.x.width * kPlace;
  const int64_t out = static_cast<int64_t>(c.rows) * c.columns * kPlace;
  const int terms = c.ins * c.taps;
  if (c.tiled) {
    tiles_.back_taps(step, x, g, b.gradients + step.weight);
    if (step.bias >= 0) kernels_.plane_sums(g, c.outs, out, b.gradients + step.bias);
    if (dx) tiles_.back_inputs(step, g, dx);
    return;
  }
  const int64_t wide = std::max(c.ins * c.x.plane(), c.outs * c.g.plane());
  T* padded = scratch<T, Scratch::margins>(wide + conv_gradient_sums(terms));
  TrainConvGradient<T> p;
  p.samples = kPlace;
  p.g_channel = out;
  p.offsets = c.offsets.data();
  p.outs = c.outs;
  p.terms = terms;
  p.rows = c.rows;
  p.columns = c.columns;
  p.g_row = static_cast<int64_t>(c.columns) * kPlace;
  p.g_column = kPlace;
  p.x_row = c.stride_down * c.x.row();
  p.x_column = static_cast<int64_t>(c.stride_across) * kPlace;
  p.sums = padded + wide;
  for (int group = 0; group < c.groups; ++group, x += c.ins * in, g += c.outs * out) {
    const int64_t first = static_cast<int64_t>(group) * c.outs;
    p.g = g;
    p.x = with_margins(c.x, c.ins, x, padded);
    p.dw = b.gradients + step.weight + first * terms;
    kernels_.conv_gradient(p);
    if (step.bias >= 0) kernels_.plane_sums(g, c.outs, out, b.gradients + step.bias + first);
    if (!dx) continue;
    back_inputs(c, step, b.weights + step.weight + first * terms, with_margins(c.g, c.outs, g, padded), dx);
    dx += c.ins * in;
  }
}

namespace {

template <class T>
TrainPool<T> call_of(const Pool& pool, const T* x) {
  TrainPool<T> p;
  p.samples = kPlace;
  p.channels = pool.channels;
  p.height = pool.height;
  p.width = pool.width;
  p.down = pool.down.data();
  p.across = pool.across.data();
  p.rows = static_cast<int>(pool.down.size());
  p.columns = static_cast<int>(pool.across.size());
  p.divisor = static_cast<T>(pool.divisor);
  p.x = x;
  return p;
}

}  // namespace

template <class T>
void WindowRunner<T>::forward(const Pool& pool, const T* x, T* y) const {
  TrainPool<T> p = call_of(pool, x);
  p.y = y;
  pool.largest ? kernels_.largest(p) : kernels_.average(p);
}

template <class T>
void WindowRunner<T>::backward(const Pool& pool, const T* x, const T* y, const T* g, T* dx, bool add) const {
  TrainPool<T> p = call_of(pool, x);
  p.y = const_cast<T*>(y);
  p.g = g;
  p.dx = dx;
  if (!add) std::fill(dx, dx + static_cast<int64_t>(pool.channels) * pool.height * pool.width * kPlace, T(0));
  pool.largest ? kernels_.largest_backward(p) : kernels_.average_backward(p);
}

template class WindowRunner<float>;
template class WindowRunner<double>;

}  // namespace chop::trainer
