#include "chop/kernels/train_tiles.h"

#include "chop/kernels/vector.inl"

namespace chop::CHOP_ISA {
namespace {

inline constexpr int64_t kSamples = kTrainLanes;  // numbers of a place

// Calls visit(the plane, first row and column of the tile, its parts) for all tiles, and all vectors of a place.
template <class T, class Visit>
inline void for_tiles(const TrainTiles<T>& p, T* planes, Visit visit) {
  const int64_t plane = static_cast<int64_t>(p.height) * p.width * kSamples;
  for (int channel = 0; channel < p.channels; ++channel) {
    T* parts = p.parts + channel * p.tile_channel;
    for (int row = 0; row < p.rows; ++row)
      for (int column = 0; column < p.columns; ++column, parts += kSamples)
        for (int s = 0; s < kSamples; s += VectorOf<T>::lanes)
          visit(planes + channel * plane + s, p.first_row + 2 * row, p.first_column + 2 * column, parts + s);
  }
}

// Column x of the tile that begins at (row, column), from there on.
template <class T, int size>
inline void read_column(const TrainTiles<T>& p, const T* plane, int row, int column, typename VectorOf<T>::type* to) {
  const int64_t line = p.width * kSamples;
  const T* from = plane + row * line + column * kSamples;
  if (row >= 0 && row + size <= p.height && column >= 0 && column < p.width) {
    CHOP_UNROLL for (int y = 0; y < size; ++y) to[y] = load(from + y * line);
    return;
  }
  CHOP_UNROLL for (int y = 0; y < size; ++y) {
    const bool inside = row + y >= 0 && row + y < p.height && column >= 0 && column < p.width;
    to[y] = inside ? load(from + y * line) : typename VectorOf<T>::type{};
  }
}

template <class V>
inline void input_line(V a, V b, V c, V d, V* v) {
  v[0] = a - c;
  v[1] = b + c;
  v[2] = c - b;
  v[3] = b - d;
}

template <class T>
void inputs(const TrainTiles<T>& p) {
  using V = typename VectorOf<T>::type;
  for_tiles(p, const_cast<T*>(p.x), [&](const T* plane, int row, int column, T* parts) {
    V v[4][4];
    CHOP_UNROLL for (int x = 0; x < 4; ++x) {
      V d[4];
      read_column<T, 4>(p, plane, row, column + x, d);
      input_line(d[0], d[1], d[2], d[3], v[x]);
    }
    CHOP_UNROLL for (int y = 0; y < 4; ++y) {
      V line[4];
      input_line(v[0][y], v[1][y], v[2][y], v[3][y], line);
      T* to = parts + 4 * y * p.part;
      CHOP_UNROLL for (int x = 0; x < 4; ++x) store(to + x * p.part, line[x]);
    }
  });
}

template <class V>
inline void gradient_line(V a, V b, V* v) {
  v[0] = a;
  v[1] = a + b;
  v[2] = a - b;
  v[3] = -b;
}

template <class T>
void gradients(const TrainTiles<T>& p) {
  using V = typename VectorOf<T>::type;
  for_tiles(p, const_cast<T*>(p.x), [&](const T* plane, int row, int column, T* parts) {
    V v[2][4];
    CHOP_UNROLL for (int x = 0; x < 2; ++x) {
      V g[2];
      read_column<T, 2>(p, plane, row, column + x, g);
      gradient_line(g[0], g[1], v[x]);
    }
    CHOP_UNROLL for (int y = 0; y < 4; ++y) {
      V line[4];
      gradient_line(v[0][y], v[1][y], line);
      T* to = parts + 4 * y * p.part;
      CHOP_UNROLL for (int x = 0; x < 4; ++x) store(to + x * p.part, line[x]);
    }
  });
}

template <class T>
void results(const TrainTiles<T>& p) {
  using V = typename VectorOf<T>::type;
  const int64_t line = p.width * kSamples;
  for_tiles(p, p.y, [&](T* plane, int row, int column, const T* parts) {
    V half[2][4];
    CHOP_UNROLL for (int x = 0; x < 4; ++x) {
      V m[4];
      CHOP_UNROLL for (int y = 0; y < 4; ++y) m[y] = load(parts + (4 * y + x) * p.part);
      half[0][x] = m[0] + m[1] + m[2];
      half[1][x] = m[1] - m[2] - m[3];
    }
    const V bias = V{} + (p.bias ? p.bias[(parts - p.parts) / p.tile_channel] : T(0));
    CHOP_UNROLL for (int y = 0; y < 2; ++y) {
      const V* h = half[y];
      const V both[2] = {h[0] + h[1] + h[2] + bias, h[1] - h[2] - h[3] + bias};
      if (row + y >= p.height) break;
      CHOP_UNROLL for (int x = 0; x < 2; ++x) {
        if (column + x >= p.width) break;
        T* at = plane + (row + y) * line + (column + x) * kSamples;
        const V found = p.add ? both[x] + load(at) : both[x];
        store(at, p.relu ? (found < T(0) ? V{} : found) : found);
      }
    }
  });
}

}  // namespace

extern const TrainTileKernels<float> train_tiles_f32;
extern const TrainTileKernels<double> train_tiles_f64;
const TrainTileKernels<float> train_tiles_f32 = {inputs<float>, gradients<float>, results<float>};
const TrainTileKernels<double> train_tiles_f64 = {inputs<double>, gradients<double>, results<double>};

}  // namespace chop::CHOP_ISA
