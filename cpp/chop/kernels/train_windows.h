// What training computes on planes of places: convolutions and pools. A plane is rows of places side by side, and a
// place the samples of a block, as in training.h.
#pragma once

#include <cstdint>

namespace chop {

// y[o][place] = bias[o] + sum over inputs i and taps t of w[o * w_out + i * w_in + w_taps[t]] times
// x[i * x_channel + place + x_taps[t]]. The x of all places and taps is there: margins are part of it.
template <class T>
struct TrainConv {
  int samples = 0;  // numbers of a place, a multiple of kTrainLanes
  const T* w = nullptr;
  int64_t w_out = 0, w_in = 0;
  const T* bias = nullptr;  // null: none
  const T* x = nullptr;
  T* y = nullptr;
  int64_t x_channel = 0, y_channel = 0;
  const int64_t *x_taps = nullptr, *w_taps = nullptr;
  int taps = 0, outs = 0, ins = 0;
  int rows = 0, columns = 0;  // of places
  int64_t x_row = 0, x_column = 0, y_row = 0, y_column = 0;
  bool add = false;   // to what y holds
  bool relu = false;  // y becomes max(y, 0)
};

// dw[o * terms + j] += sum over samples and places of g[o][place] x[place + offsets[j]].
template <class T>
struct TrainConvGradient {
  int samples = 0;
  const T* g = nullptr;
  const T* x = nullptr;
  T* dw = nullptr;
  int64_t g_channel = 0;
  const int64_t* offsets = nullptr;
  int outs = 0, terms = 0;
  int rows = 0, columns = 0;
  int64_t g_row = 0, g_column = 0, x_row = 0, x_column = 0;
  T* sums = nullptr;  // [conv_gradient_sums(terms)], scratch
};
constexpr int64_t conv_gradient_sums(int64_t terms) { return (terms + 16) * 64; }

// The places `first`, `first` + step, … that a result of a pool is made of, along one dimension.
struct TrainSpan {
  int first = 0, count = 0, step = 1;
  int weight = 0;  // what the average divides by; not `count` where margins take part
};

// Planes of `height` by `width` places become planes of spans, one after the other.
template <class T>
struct TrainPool {
  int samples = 0, channels = 0;
  int height = 0, width = 0;
  const TrainSpan *down = nullptr, *across = nullptr;
  int rows = 0, columns = 0;  // of spans
  T divisor = 0;              // of all averages; 0: the product of both weights
  const T* x = nullptr;
  T* y = nullptr;
  const T* g = nullptr;  // backward: of the results
  T* dx = nullptr;       // backward: is added to
};

template <class T>
struct TrainWindowKernels {
  void (*conv)(const TrainConv<T>& p) = nullptr;
  void (*conv_gradient)(const TrainConvGradient<T>& p) = nullptr;
  // sums[c] += sum of the numbers x[c * numbers …], a multiple of kTrainLanes.
  void (*plane_sums)(const T* x, int channels, int64_t numbers, T* sums) = nullptr;
  void (*average)(const TrainPool<T>& p) = nullptr;
  void (*average_backward)(const TrainPool<T>& p) = nullptr;
  void (*largest)(const TrainPool<T>& p) = nullptr;
  void (*largest_backward)(const TrainPool<T>& p) = nullptr;  // to the first of the largest
};

}  // namespace chop
