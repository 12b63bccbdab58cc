// What the generated network calls: whole-number arithmetic that is the same on every compiler.
using std::int64_t;

// Drops S bits (adds -S), rounds (0: half to even, 1: down, 2: half up), brings into range (saturates or wraps).
template <int S, int64_t Lo, int64_t Hi, int Round, bool Wrap>
constexpr int64_t requantize(int64_t v) {
  int64_t q = v;
  if constexpr (S > 62) {
    q = Round == 1 && v < 0 ? -1 : 0;
  } else if constexpr (S > 0) {
    constexpr int64_t one = int64_t{1} << S, half = one / 2;
    q = v >> S;
    const int64_t rest = v - q * one;
    if constexpr (Round == 0) q += (rest > half || (rest == half && (q & 1) != 0)) ? 1 : 0;
    if constexpr (Round == 2) q += rest >= half ? 1 : 0;
  } else if constexpr (S < 0 && Wrap) {
    q = -S > 62 ? 0 : static_cast<int64_t>(static_cast<std::uint64_t>(v) << (-S > 62 ? 62 : -S));
  } else if constexpr (S < 0) {
    constexpr int64_t bound = (Hi > -Lo ? Hi : -Lo) + 1, factor = int64_t{1} << (-S > 29 ? 29 : -S);
    q = v > bound ? bound : v < -bound ? -bound : v;
    if constexpr (-S > 29) q = q == 0 ? 0 : q > 0 ? bound : -bound;
    else q *= factor;
  }
  if constexpr (Wrap) {
    const std::uint64_t mask = static_cast<std::uint64_t>(Hi - Lo);
    return static_cast<int64_t>((static_cast<std::uint64_t>(q) - static_cast<std::uint64_t>(Lo)) & mask) + Lo;
  }
  return q < Lo ? Lo : q > Hi ? Hi : q;
}

// A float to its code; NaN, which has none, to the lowest.
template <int64_t Lo, int64_t Hi, int Round, bool Wrap>
inline int64_t quantize(float x, float scale) {
  float v = x * scale;
  if constexpr (Round == 0) {
    v = std::nearbyint(v);
  } else {
    const float down = std::floor(v);
    v = Round == 2 && v - down >= 0.5f ? down + 1.0f : down;
  }
  if constexpr (Wrap) {
    if (v != v || v - v != 0.0f) return Lo;
    constexpr float far = 0x1p62f;
    return requantize<0, Lo, Hi, 1, true>(v > -far && v < far ? static_cast<int64_t>(v) : 0);
  }
  if (!(v > static_cast<float>(Lo))) return Lo;
  if (v >= static_cast<float>(Hi)) return Hi;
  return static_cast<int64_t>(v);
}

// y = W x + b; A holds the sums.
template <class A, int Out, int In, class W, class B, class X>
inline void linear(const W* w, const B* b, const X* x, A* y) {
  for (int o = 0; o < Out; ++o) {
    A sum = static_cast<A>(b[o]);
    for (int i = 0; i < In; ++i) sum += static_cast<A>(w[o * In + i]) * static_cast<A>(x[i]);
    y[o] = sum;
  }
}

struct Window {
  int in, out, kernel, stride, before, dilation;
};

// One or two dimensions; a single one is a second of size 1.
template <class A, class W, class B, class X>
inline void convolve(const W* w, const B* b, const X* x, A* y, int outs, int ins, int groups, Window r, Window c) {
  const int per_group = outs / groups;
  for (int o = 0; o < outs; ++o)
    for (int i = 0; i < r.out; ++i)
      for (int j = 0; j < c.out; ++j) {
        A sum = static_cast<A>(b[o]);
        for (int k = 0; k < ins; ++k)
          for (int p = 0; p < r.kernel; ++p) {
            const int row = i * r.stride - r.before + p * r.dilation;
            if (row < 0 || row >= r.in) continue;
            for (int q = 0; q < c.kernel; ++q) {
              const int column = j * c.stride - c.before + q * c.dilation;
              if (column < 0 || column >= c.in) continue;
              const X value = x[((o / per_group * ins + k) * r.in + row) * c.in + column];
              sum += static_cast<A>(w[((o * ins + k) * r.kernel + p) * c.kernel + q]) * static_cast<A>(value);
            }
          }
        y[(o * r.out + i) * c.out + j] = sum;
      }
}

template <bool Max, class X, class Y>
inline void pool(const X* x, Y* y, int channels, Window r, Window c) {
  for (int o = 0; o < channels; ++o)
    for (int i = 0; i < r.out; ++i)
      for (int j = 0; j < c.out; ++j) {
        Y found = 0;
        bool first = true;
        for (int p = 0; p < r.kernel; ++p)
          for (int q = 0; q < c.kernel; ++q) {
            const int row = i * r.stride - r.before + p * r.dilation, column = j * c.stride - c.before + q * c.dilation;
            if (row < 0 || row >= r.in || column < 0 || column >= c.in) continue;
            const Y value = static_cast<Y>(x[(o * r.in + row) * c.in + column]);
            found = first ? value : Max ? (value > found ? value : found) : static_cast<Y>(found + value);
            first = false;
          }
        y[(o * r.out + i) * c.out + j] = found;
      }
}
