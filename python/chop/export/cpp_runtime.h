//@if requantize
// Drops S bits, rounds (0: half to even, 1: down, 2: half up), brings into range.
//@if never
// Without branches, which sums of random sign would mislead.
//@end
template <class I, int S, I Lo, I Hi, int Round = 0, bool Wrap = false>
constexpr I requantize(I v) {
  I q = v;
  //@if far
  if constexpr (S > 62) q = Round == 1 && v < 0 ? -1 : 0;
  //@end
  //@if guarded
  if constexpr (S > 0 && S < 63) {
  //@end
    constexpr I half = I{1} << (S - 1);
    q = v >> S;
    [[maybe_unused]] const I rest = v & (2 * half - 1);
    //@if half_even
    if constexpr (Round == 0) q += I((rest > half) | ((rest == half) & ((q & 1) != 0)));
    //@end
    //@if half_up
    if constexpr (Round == 2) q += I(rest >= half);
    //@end
  //@if guarded
  }
  //@end
  //@if wrap
  if constexpr (S < 0 && Wrap) q = -S > 62 ? 0 : I(uint64_t(v) << (-S > 62 ? 62 : -S));
  //@end
  //@if finer
  if constexpr (S < 0 && !Wrap) {
    constexpr I bound = (Hi > -Lo ? Hi : -Lo) + 1, factor = I{1} << (-S > 29 ? 29 : -S);
    q = v > bound ? bound : v < -bound ? -bound : v;
    q = -S > 29 ? (q == 0 ? 0 : q > 0 ? bound : -bound) : q * factor;
  }
  //@end
  //@if wrap
  if constexpr (Wrap) return I(int64_t((uint64_t(q) - uint64_t(Lo)) & uint64_t(int64_t{Hi} - Lo)) + Lo);
  //@end
  q = q < Lo ? Lo : q;
  return q > Hi ? Hi : q;
}

//@end
//@if quantize
// A float to its code; NaN, which has none, to the lowest.
template <int64_t Lo, int64_t Hi, int Round = 0, bool Wrap = false>
inline int64_t quantize(float x, float scale) {
  float v = x * scale;
  //@if quantize_half_even
  if constexpr (Round == 0) v = std::nearbyint(v);
  //@end
  //@if quantize_floor
  if constexpr (Round == 1) v = std::floor(v);
  //@end
  //@if quantize_half_up
  if constexpr (Round == 2) v = std::floor(v) + (v - std::floor(v) >= 0.5f ? 1.0f : 0.0f);
  //@end
  //@if quantize_wrap
  if constexpr (Wrap) {
    if (v != v || v - v != 0.0f) return Lo;
    return requantize<int64_t, 0, Lo, Hi, 1, true>(v > -0x1p62f && v < 0x1p62f ? int64_t(v) : int64_t{0});
  }
  //@end
  return !(v > float(Lo)) ? Lo : v >= float(Hi) ? Hi : int64_t(v);
}

//@end
//@if steps
// How many of N ascending numbers are at most v.
template <int N, class T>
int reached(const T* steps, int64_t v) {
  int found = 0;
  for (int left = N; left > 0;) {
    const int half = left / 2;
    const bool above = v >= steps[found + half];
    found += above ? half + 1 : 0;
    left = above ? left - half - 1 : half;
  }
  return found;
}

//@end
//@if linear
// y = W x + b; A holds the sums.
template <class A, int Out, int In, class W, class B, class X>
void linear(const W* w, const B* b, const X* x, A* y) {
  for (int o = 0; o < Out; ++o) {
    A sum = A(b[o]);
    for (int i = 0; i < In; ++i) sum += A(w[o * In + i]) * A(x[i]);
    y[o] = sum;
  }
}

//@end
//@if windows
struct Window {
  int in, out, kernel, stride, before, dilation;
};

//@end
//@if conv1
// Gathers a window, of which the convolution is linear.
template <class A, int Out, int In, int K, class W, class B, class X>
void convolve(const W* w, const B* b, const X* x, A* y, int in, int out, int stride, int before, int step) {
  for (int at = 0; at < out; ++at) {
    X window[unsigned(In * K)];
    for (int n = 0; n < In * K; ++n) {
      const int i = at * stride - before + n % K * step;
      window[n] = i >= 0 && i < in ? x[n / K * in + i] : X(0);
    }
    A sums[unsigned(Out)];
    linear<A, Out, In * K>(w, b, window, sums);
    for (int o = 0; o < Out; ++o) y[o * out + at] = sums[o];
  }
}

//@end
//@if conv2
// In one or two dimensions (a single one is a second of size 1): gathers a window, of which the convolution is linear.
template <class A, int Out, int In, int Rows, int Columns, class W, class B, class X>
void convolve(const W* w, const B* b, const X* x, A* y, Window r, Window c) {
  constexpr int size = In * Rows * Columns;
  for (int at = 0; at < r.out * c.out; ++at) {
    const int top = at / c.out * r.stride - r.before, left = at % c.out * c.stride - c.before;
    X window[unsigned(size)];
    for (int n = 0; n < size; ++n) {
      const int i = top + n / Columns % Rows * r.dilation, j = left + n % Columns * c.dilation;
      const bool inside = i >= 0 && i < r.in && j >= 0 && j < c.in;
      window[n] = inside ? x[(n / (Rows * Columns) * r.in + i) * c.in + j] : X(0);
    }
    A sums[unsigned(Out)];
    linear<A, Out, size>(w, b, window, sums);
    for (int o = 0; o < Out; ++o) y[o * r.out * c.out + at] = sums[o];
  }
}

//@end
//@if pool
template <bool Max, class X, class Y>
void pool(const X* x, Y* y, int channels, Window r, Window c) {
  for (int o = 0; o < channels; ++o)
    for (int i = 0; i < r.out; ++i)
      for (int j = 0; j < c.out; ++j) {
        Y found = 0;
        bool first = true;
        for (int p = 0; p < r.kernel; ++p)
          for (int q = 0; q < c.kernel; ++q) {
            const int row = i * r.stride - r.before + p * r.dilation, column = j * c.stride - c.before + q * c.dilation;
            if (row < 0 || row >= r.in || column < 0 || column >= c.in) continue;
            const Y value = Y(x[(o * r.in + row) * c.in + column]);
            found = first ? value : Max ? (value > found ? value : found) : Y(found + value);
            first = false;
          }
        y[(o * r.out + i) * c.out + j] = found;
      }
}

//@end
