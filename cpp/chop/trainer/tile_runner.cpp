#include "chop/trainer/tile_runner.h"

#include <algorithm>

#include "chop/trainer/scratch.h"

namespace chop::trainer {
namespace {

// Rows of tiles that are worked on at once: their parts stay in the second cache.
int rows_at_once(int rows, int columns, int channels) {
  const int tiles = std::max(8, 1024 / channels);
  return std::clamp(tiles / columns, 1, rows);
}

// U = G w G', of one pair of channels.
template <class T>
void to_parts(const T* w, T* u, int64_t part) {
  T half[12];
  for (int x = 0; x < 3; ++x) {
    const T a = w[x], b = w[3 + x], c = w[6 + x];
    half[x] = a;
    half[3 + x] = (a + b + c) / 2;
    half[6 + x] = (a - b + c) / 2;
    half[9 + x] = c;
  }
  for (int y = 0; y < 4; ++y) {
    const T a = half[3 * y], b = half[3 * y + 1], c = half[3 * y + 2];
    u[(4 * y) * part] = a;
    u[(4 * y + 1) * part] = (a + b + c) / 2;
    u[(4 * y + 2) * part] = (a - b + c) / 2;
    u[(4 * y + 3) * part] = c;
  }
}

// dw += G' du G.
template <class T>
void from_parts(const T* du, int64_t part, T* dw) {
  T half[12];
  for (int x = 0; x < 4; ++x) {
    const T a = du[x * part], b = du[(4 + x) * part], c = du[(8 + x) * part], d = du[(12 + x) * part];
    half[x] = a + (b + c) / 2;
    half[4 + x] = (b - c) / 2;
    half[8 + x] = (b + c) / 2 + d;
  }
  for (int y = 0; y < 3; ++y) {
    const T *h = half + 4 * y, middle = (h[1] + h[2]) / 2;
    dw[3 * y] += h[0] + middle;
    dw[3 * y + 1] += (h[1] - h[2]) / 2;
    dw[3 * y + 2] += middle + h[3];
  }
}

}  // namespace

template <class T>
TileRunner<T>::TileRunner(const Plan& plan) : plan_(plan) {
  int64_t end = 0;
  for (const Convolution& c : plan.convolutions) {
    places_.push_back(end);
    if (c.tiled) end += static_cast<int64_t>(kTileParts) * c.outs * c.ins;
  }
  taps_.resize(static_cast<size_t>(end));
}

template <class T>
void TileRunner<T>::prepare(const T* weights) {
  for (const Step& step : plan_.steps) {
    if (step.kind != Kind::conv || !plan_.convolutions[static_cast<size_t>(step.window)].tiled) continue;
    const Convolution& c = plan_.convolutions[static_cast<size_t>(step.window)];
    const int64_t part = static_cast<int64_t>(c.outs) * c.ins;
    T* to = taps_.data() + places_[static_cast<size_t>(step.window)];
    for (int64_t pair = 0; pair < part; ++pair) to_parts(weights + step.weight + 9 * pair, to + pair, part);
  }
}

template <class T>
TrainTiles<T> TileRunner<T>::planes(int channels, int height, int width) {
  TrainTiles<T> made;
  made.channels = channels;
  made.height = height;
  made.width = width;
  return made;
}

template <class T>
void TileRunner<T>::convolve(const Step& step, TrainTiles<T> inputs, TrainTiles<T> results, bool turned) const {
  const int rows = (results.height + 1) / 2, columns = (results.width + 1) / 2;
  const int ins = inputs.channels, outs = results.channels, at_once = rows_at_once(rows, columns, ins + outs);
  const int64_t tiles = static_cast<int64_t>(at_once) * columns, first = tile_numbers(ins, tiles);
  inputs.parts = scratch<T, Scratch::tiles>(first + tile_numbers(outs, tiles));
  results.parts = inputs.parts + first;
  inputs.columns = results.columns = columns;
  static constexpr int64_t kHere = 0;
  TrainConv<T> p;
  p.samples = kPlace;
  p.w_out = turned ? 1 : ins;
  p.w_in = turned ? outs : 1;
  p.x_taps = p.w_taps = &kHere;
  p.taps = 1;
  p.outs = outs;
  p.ins = ins;
  p.rows = 1;
  p.x_column = p.y_column = kPlace;
  // Turned taps are those of the other end, by rows and by columns: parts 0 and 3 change places.
  const auto other = [&](int k) { return turned && k % 3 == 0 ? 3 - k : k; };
  for (int row = 0; row < rows; row += at_once) {
    inputs.rows = results.rows = std::min(at_once, rows - row);
    inputs.lay_out();
    results.lay_out();
    tiles_.inputs(inputs);
    p.columns = inputs.rows * columns;
    p.x_channel = inputs.tile_channel;
    p.y_channel = results.tile_channel;
    for (int part = 0; part < kTileParts; ++part) {
      p.w = taps(step) + static_cast<int64_t>(4 * other(part / 4) + other(part % 4)) * outs * ins;
      p.x = inputs.parts + part * inputs.part;
      p.y = results.parts + part * results.part;
      kernels_.conv(p);
    }
    tiles_.results(results);
    inputs.first_row += 2 * inputs.rows;
    results.first_row += 2 * inputs.rows;
  }
}

template <class T>
void TileRunner<T>::forward(const Step& step, const T* x, const T* bias, T* y) const {
  const Convolution& c = plan_.convolutions[static_cast<size_t>(step.window)];
  TrainTiles<T> inputs = planes(c.ins, c.x.height, c.x.width), results = planes(c.outs, c.rows, c.columns);
  inputs.x = x;
  inputs.first_row = -c.x.top;
  inputs.first_column = -c.x.left;
  results.y = y;
  results.bias = bias;
  results.relu = step.relu;
  convolve(step, inputs, results, false);
}

template <class T>
void TileRunner<T>::back_inputs(const Step& step, const T* g, T* dx) const {
  const Convolution& c = plan_.convolutions[static_cast<size_t>(step.window)];
  TrainTiles<T> inputs = planes(c.outs, c.rows, c.columns), results = planes(c.ins, c.x.height, c.x.width);
  inputs.x = g;
  inputs.first_row = c.x.top - 2;
  inputs.first_column = c.x.left - 2;
  results.y = dx;
  results.add = step.add_a;
  convolve(step, inputs, results, true);
}

// dU = sum over tiles and samples of (A g A') V, for each part of the tiles.
template <class T>
void TileRunner<T>::back_taps(const Step& step, const T* x, const T* g, T* dw) const {
  const Convolution& c = plan_.convolutions[static_cast<size_t>(step.window)];
  const int rows = (c.rows + 1) / 2, columns = (c.columns + 1) / 2;
  const int at_once = std::max(rows_at_once(rows, columns, c.ins + c.outs), std::clamp(16 / columns, 1, rows));
  const int64_t tiles = static_cast<int64_t>(at_once) * columns, part = static_cast<int64_t>(c.outs) * c.ins;
  const int64_t first = tile_numbers(c.ins, tiles), both = first + tile_numbers(c.outs, tiles);
  TrainTiles<T> inputs = planes(c.ins, c.x.height, c.x.width), gradients = planes(c.outs, c.rows, c.columns);
  inputs.parts = scratch<T, Scratch::tiles>(both + conv_gradient_sums(c.ins) + kTileParts * part);
  gradients.parts = inputs.parts + first;
  inputs.x = x;
  gradients.x = g;
  inputs.first_row = -c.x.top;
  inputs.first_column = -c.x.left;
  inputs.columns = gradients.columns = columns;
  std::vector<int64_t> offsets(static_cast<size_t>(c.ins));
  TrainConvGradient<T> p;
  p.samples = kPlace;
  p.offsets = offsets.data();
  p.outs = c.outs;
  p.terms = c.ins;
  p.columns = columns;
  p.g_row = p.x_row = static_cast<int64_t>(columns) * kPlace;
  p.g_column = p.x_column = kPlace;
  p.sums = inputs.parts + both;
  T* du = p.sums + conv_gradient_sums(c.ins);
  std::fill(du, du + kTileParts * part, T(0));
  for (int row = 0; row < rows; row += at_once) {
    p.rows = inputs.rows = gradients.rows = std::min(at_once, rows - row);
    inputs.lay_out();
    gradients.lay_out();
    tiles_.inputs(inputs);
    tiles_.gradients(gradients);
    p.g_channel = gradients.tile_channel;
    for (size_t i = 0; i < offsets.size(); ++i) offsets[i] = static_cast<int64_t>(i) * inputs.tile_channel;
    for (int k = 0; k < kTileParts; ++k) {
      p.g = gradients.parts + k * gradients.part;
      p.x = inputs.parts + k * inputs.part;
      p.dw = du + k * part;
      kernels_.conv_gradient(p);
    }
    inputs.first_row += 2 * p.rows;
    gradients.first_row += 2 * p.rows;
  }
  for (int64_t pair = 0; pair < part; ++pair) from_parts(du + pair, part, dw + 9 * pair);
}

template class TileRunner<float>;
template class TileRunner<double>;

}  // namespace chop::trainer
