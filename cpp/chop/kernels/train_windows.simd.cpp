#include "chop/kernels/simd_tables.h"
// clang-format off: after the tables
#include "chop/kernels/lanes.inl"
// clang-format on

namespace chop::CHOP_ISA {
namespace {

#if defined(__AVX512F__)
inline constexpr int kMostOuts = 8;
#else
inline constexpr int kMostOuts = 4;
#endif
inline constexpr int64_t kNearBytes = 1 << 18;  // of weights, that are passed over once for each few places
inline constexpr int64_t kStripBytes = 1 << 14;

// Of a tile of vectors: where the first one begins, and how far apart they are.
template <class T>
struct Tile {
  const T* x;
  T* y;
  const T* w;
  const T* bias;
};

template <class T, int outs, int vecs>
inline void conv_tile(const TrainConv<T>& p, const Tile<T>& at) {
  using V = typename VectorOf<T>::type;
  V sum[outs][vecs];
  CHOP_UNROLL for (int a = 0; a < outs; ++a) {
    const V bias = V{} + (at.bias ? at.bias[a] : T(0));
    CHOP_UNROLL for (int v = 0; v < vecs; ++v) sum[a][v] =
        p.add ? bias + load(at.y + a * p.y_channel + v * p.y_column) : bias;
  }
  const int64_t w_out = p.w_out, x_column = p.x_column;
  const T *x = at.x, *w = at.w;
  for (int i = 0; i < p.ins; ++i, x += p.x_channel, w += p.w_in) {
    for (int t = 0; t < p.taps; ++t) {
      const T *from = x + p.x_taps[t], *by = w + p.w_taps[t];
      V in[vecs];
      CHOP_UNROLL for (int v = 0; v < vecs; ++v) in[v] = load(from + v * x_column);
      CHOP_UNROLL for (int a = 0; a < outs; ++a) {
        const T weight = by[a * w_out];
        CHOP_UNROLL for (int v = 0; v < vecs; ++v) sum[a][v] += weight * in[v];
      }
    }
  }
  CHOP_UNROLL for (int a = 0; a < outs; ++a) {
    CHOP_UNROLL for (int v = 0; v < vecs; ++v) {
      const V found = sum[a][v];
      // A NaN is no number to hide: the loss shall show it.
      store(at.y + a * p.y_channel + v * p.y_column, p.relu ? (found < T(0) ? V{} : found) : found);
    }
  }
}

// A tile of as many outputs as are left, of at most kMostOuts.
template <class T, int vecs, int outs = kMostOuts>
inline void conv_outs(const TrainConv<T>& p, const Tile<T>& at, int count) {
  if constexpr (outs > 0) {
    if (count == outs) return conv_tile<T, outs, vecs>(p, at);
    conv_outs<T, vecs, outs - 1>(p, at, count);
  }
}

// Outputs o to `end` of the places from `column` on, in columns side by side.
template <class T, int vecs>
inline void conv_columns(const TrainConv<T>& p, int o, int end, int64_t x, int64_t y) {
  for (; o < end; o += kMostOuts)
    conv_outs<T, vecs>(p, {p.x + x, p.y + y + o * p.y_channel, p.w + o * p.w_out, p.bias ? p.bias + o : nullptr},
                       end - o < kMostOuts ? end - o : kMostOuts);
}

template <class T>
void conv_row(const TrainConv<T>& p, int o, int end, int64_t x, int64_t y) {
  int left = p.columns;
  const auto next = [&](int columns) {
    x += columns * p.x_column;
    y += columns * p.y_column;
    left -= columns;
  };
  if (end - o == 1)  // few sums: more columns, so that they do not wait for each other
    for (; left >= 8; next(8))
      conv_tile<T, 1, 8>(p, {p.x + x, p.y + y + o * p.y_channel, p.w + o * p.w_out, p.bias ? p.bias + o : nullptr});
  for (; left >= 3 && left != 4; next(3)) conv_columns<T, 3>(p, o, end, x, y);
  for (; left >= 2; next(2)) conv_columns<T, 2>(p, o, end, x, y);
  if (left > 0) conv_columns<T, 1>(p, o, end, x, y);
}

// What is read again soon goes round innermost: the x of a few places, or weights that would not stay near.
template <class T>
void conv(const TrainConv<T>& p) {
  constexpr int lanes = VectorOf<T>::lanes;
  const bool many = static_cast<int64_t>(p.outs) * p.ins * p.taps * static_cast<int64_t>(sizeof(T)) > kNearBytes;
  const int outs = many ? kMostOuts : p.outs;
  for (int s = 0; s < p.samples; s += lanes)
    for (int o = 0; o < p.outs; o += outs)
      for (int row = 0; row < p.rows; ++row)
        conv_row(p, o, o + outs < p.outs ? o + outs : p.outs, row * p.x_row + s, row * p.y_row + s);
}

// Rows of places whose products are summed in one go.
struct Strip {
  int begin, end, rows;
};

// Sums of outs x terms products, as many as lanes; between strips they wait in p.sums.
template <class T, int outs>
inline void gradient_tile(const TrainConvGradient<T>& p, int o, int j, const Strip& strip, T* sums) {
  using V = typename VectorOf<T>::type;
  constexpr int lanes = VectorOf<T>::lanes, terms = lanes / outs;
  const T *g[outs], *x[terms];
  CHOP_UNROLL for (int a = 0; a < outs; ++a) g[a] = p.g + (o + a < p.outs ? o + a : p.outs - 1) * p.g_channel;
  CHOP_UNROLL for (int b = 0; b < terms; ++b) x[b] = p.x + p.offsets[j + b < p.terms ? j + b : p.terms - 1];
  V sum[lanes];
  CHOP_UNROLL for (int l = 0; l < lanes; ++l) sum[l] = strip.begin ? load(sums + l * lanes) : V{};
  for (int row = strip.begin; row < strip.end; ++row) {
    for (int s = 0; s < p.samples; s += lanes) {
      int64_t from = row * p.x_row + s, by = row * p.g_row + s;
      for (int column = 0; column < p.columns; ++column, from += p.x_column, by += p.g_column)
        add_pairs<T, outs>(sum, g, by, x, from);
    }
  }
  if (strip.end < strip.rows) {
    CHOP_UNROLL for (int l = 0; l < lanes; ++l) store(sums + l * lanes, sum[l]);
    return;
  }
  T found[lanes];
  store(found, lane_sums<T>(sum));
  const int count = p.terms - j < terms ? p.terms - j : terms;
  for (int a = 0; a < outs && o + a < p.outs; ++a)
    for (int b = 0; b < count; ++b) p.dw[static_cast<int64_t>(o + a) * p.terms + j + b] += found[a * terms + b];
}

template <class T, int outs>
void gradient_outs(const TrainConvGradient<T>& p, int o) {
  constexpr int lanes = VectorOf<T>::lanes, terms = lanes / outs;
  const int64_t bytes = static_cast<int64_t>(outs) * p.columns * p.samples * static_cast<int64_t>(sizeof(T));
  const int rows = bytes < kStripBytes ? static_cast<int>(kStripBytes / bytes) : 1;
  for (int row = 0; row < p.rows; row += rows) {
    const Strip strip{row, row + rows < p.rows ? row + rows : p.rows, p.rows};
    T* sums = p.sums;
    for (int j = 0; j < p.terms; j += terms, sums += lanes * lanes) gradient_tile<T, outs>(p, o, j, strip, sums);
  }
}

template <class T>
void conv_gradient(const TrainConvGradient<T>& p) {
  constexpr int most = VectorOf<T>::lanes >= 16 ? 4 : (VectorOf<T>::lanes >= 4 ? 2 : 1);
  int o = 0;
  for (; o + most <= p.outs; o += most) gradient_outs<T, most>(p, o);
  if (p.outs - o >= 2) return gradient_outs<T, most>(p, o);
  if (p.outs - o == 1) gradient_outs<T, 1>(p, o);
}

template <class T>
void plane_sums(const T* x, int channels, int64_t numbers, T* sums) {
  using V = typename VectorOf<T>::type;
  constexpr int lanes = VectorOf<T>::lanes;
  for (int c = 0; c < channels; c += lanes) {
    const int count = channels - c < lanes ? channels - c : lanes;
    V sum[lanes] = {};
    for (int a = 0; a < count; ++a) {
      const T* from = x + (c + a) * numbers;
      V parts[4] = {};
      int64_t i = 0;
      for (; i + 4 * lanes <= numbers; i += 4 * lanes)
        CHOP_UNROLL for (int k = 0; k < 4; ++k) parts[k] += load(from + i + k * lanes);
      for (; i < numbers; i += lanes) parts[0] += load(from + i);
      sum[a] = (parts[0] + parts[1]) + (parts[2] + parts[3]);
    }
    T found[lanes];
    store(found, lane_sums<T>(sum));
    for (int a = 0; a < count; ++a) sums[c + a] += found[a];
  }
}

// Calls visit(offset of y, first offset of x, span down, span across, divisor) for all results of one channel.
template <class T, class Visit>
inline void for_results(const TrainPool<T>& p, int channel, Visit visit) {
  int64_t y = static_cast<int64_t>(channel) * p.rows * p.columns * p.samples;
  const int64_t x = static_cast<int64_t>(channel) * p.height * p.width * p.samples;
  for (int row = 0; row < p.rows; ++row) {
    for (int column = 0; column < p.columns; ++column, y += p.samples) {
      const TrainSpan &down = p.down[row], &across = p.across[column];
      const T weight = static_cast<T>(down.weight) * static_cast<T>(across.weight);
      visit(y, x + (static_cast<int64_t>(down.first) * p.width + across.first) * p.samples, down, across,
            p.divisor != T(0) ? p.divisor : weight);
    }
  }
}

// Calls visit(offset of x) for all places of a result, row by row.
template <class T, class Visit>
inline void for_places(const TrainPool<T>& p, int64_t first, const TrainSpan& down, const TrainSpan& across,
                       Visit visit) {
  for (int i = 0; i < down.count; ++i)
    for (int j = 0; j < across.count; ++j)
      visit(first + (static_cast<int64_t>(i) * down.step * p.width + j * across.step) * p.samples);
}

template <class T>
void average(const TrainPool<T>& p) {
  using V = typename VectorOf<T>::type;
  constexpr int lanes = VectorOf<T>::lanes;
  for (int channel = 0; channel < p.channels; ++channel)
    for_results(p, channel, [&](int64_t y, int64_t x, const TrainSpan& down, const TrainSpan& across, T divisor) {
      for (int s = 0; s < p.samples; s += lanes) {
        V sum{};
        for_places(p, x + s, down, across, [&](int64_t at) { sum += load(p.x + at); });
        store(p.y + y + s, down.count && across.count ? sum / divisor : V{});
      }
    });
}

template <class T>
void average_backward(const TrainPool<T>& p) {
  using V = typename VectorOf<T>::type;
  constexpr int lanes = VectorOf<T>::lanes;
  for (int channel = 0; channel < p.channels; ++channel)
    for_results(p, channel, [&](int64_t y, int64_t x, const TrainSpan& down, const TrainSpan& across, T divisor) {
      for (int s = 0; s < p.samples; s += lanes) {
        const V share = load(p.g + y + s) / divisor;
        for_places(p, x + s, down, across, [&](int64_t at) { store(p.dx + at, load(p.dx + at) + share); });
      }
    });
}

template <class T>
void largest(const TrainPool<T>& p) {
  using V = typename VectorOf<T>::type;
  constexpr int lanes = VectorOf<T>::lanes;
  for (int channel = 0; channel < p.channels; ++channel)
    for_results(p, channel, [&](int64_t y, int64_t x, const TrainSpan& down, const TrainSpan& across, T) {
      for (int s = 0; s < p.samples; s += lanes) {
        V found = load(p.x + x + s);
        for_places(p, x + s, down, across, [&](int64_t at) {
          const V now = load(p.x + at);
          found = now > found ? now : (now == now ? found : now);  // a NaN stays one
        });
        store(p.y + y + s, found);
      }
    });
}

template <class T>
void largest_backward(const TrainPool<T>& p) {
  using V = typename VectorOf<T>::type;
  constexpr int lanes = VectorOf<T>::lanes;
  for (int channel = 0; channel < p.channels; ++channel)
    for_results(p, channel, [&](int64_t y, int64_t x, const TrainSpan& down, const TrainSpan& across, T) {
      for (int s = 0; s < p.samples; s += lanes) {
        const V found = load(p.y + y + s);
        V left = load(p.g + y + s);  // until the first of the largest takes it
        for_places(p, x + s, down, across, [&](int64_t at) {
          const auto mine = load(p.x + at) == found;
          store(p.dx + at, load(p.dx + at) + (mine ? left : V{}));
          left = mine ? V{} : left;
        });
      }
    });
}

template <class T>
constexpr TrainWindowKernels<T> window_table() {
  return {conv<T>, conv_gradient<T>, plane_sums<T>, average<T>, average_backward<T>, largest<T>, largest_backward<T>};
}

}  // namespace

extern const TrainWindowKernels<float> train_windows_f32;
extern const TrainWindowKernels<double> train_windows_f64;
const TrainWindowKernels<float> train_windows_f32 = window_table<float>();
const TrainWindowKernels<double> train_windows_f64 = window_table<double>();

}  // namespace chop::CHOP_ISA
