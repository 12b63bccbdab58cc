// Products and encodings to try: numbers by channel and sample, and the packed memory that the kernels read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "chop/kernels/kernels.h"
#include "samples.h"
#include "test.h"

namespace chop::testing {

struct Kind {
  const char* name;
  void (*ProductKernels::*kernel)(const Product&);
  Encoding x;
  size_t weight_bytes;
  bool integers;
};
inline const Kind kU8{"u8x4", &ProductKernels::u8x4, Encoding::u8x4, 1, true};
inline const Kind kS16{"s16x2", &ProductKernels::s16x2, Encoding::s16x2, 2, true};
inline const Kind kWhole{"whole", &ProductKernels::whole, Encoding::f32, 4, true};
inline const Kind kExact{"exact", &ProductKernels::exact, Encoding::f32, 4, false};
inline const Kind kOrdered{"ordered", &ProductKernels::ordered, Encoding::f32, 4, false};
inline const Kind kWide{"wide", &ProductKernels::wide, Encoding::f32, 8, false};

// The number of bytes is exact, so that a sanitizer sees an access too far.
class Packed {
 public:
  explicit Packed(int64_t bytes, char fill = 0) : bytes_(static_cast<size_t>(bytes), fill) {}
  template <class T>
  void put(int64_t index, T value) {
    std::memcpy(bytes_.data() + index * int64_t{sizeof(T)}, &value, sizeof value);
  }
  template <class T>
  T get(int64_t index) const {
    T value;
    std::memcpy(&value, bytes_.data() + index * int64_t{sizeof(T)}, sizeof value);
    return value;
  }
  char* data() { return bytes_.data(); }
  const char* data() const { return bytes_.data(); }
  int64_t size() const { return static_cast<int64_t>(bytes_.size()); }

 private:
  std::vector<char> bytes_;
};

inline void put_number(Packed& to, Encoding encoding, int64_t index, double v) {
  switch (encoding) {
    case Encoding::f32: return to.put(index, static_cast<float>(v));
    case Encoding::u8x4: return to.put(index, static_cast<uint8_t>(v));
    case Encoding::s16x2: return to.put(index, static_cast<int16_t>(v));
  }
}

inline void put_weight(Packed& to, const Kind& kind, int64_t index, double v) {
  if (kind.weight_bytes == 1) return to.put(index, static_cast<int8_t>(v));
  if (kind.weight_bytes == 2) return to.put(index, static_cast<int16_t>(v));
  if (kind.weight_bytes == 8) return to.put(index, v);
  kind.integers ? to.put(index, static_cast<int32_t>(v)) : to.put(index, static_cast<float>(v));
}

struct Shape {
  int out = 1, channels = 1, taps = 1, positions = 1, places = 1;
  int zero = 0, shift = 0;
  bool bias = true, padded = false;
  bool added = false;  // integer kinds: random floats
  bool roomy = false;  // one place only
  uint64_t seed = 1;

  std::string text() const {
    return join("out ", out, " channels ", channels, " taps ", taps, " positions ", positions, " places ", places,
                " zero ", zero, " shift ", shift, " bias ", bias, " padded ", padded, " added ", added, " roomy ",
                roomy);
  }
};

// x(channel, place, sample), weight(output, tap, channel) and bias(output) say what the numbers are.
class Problem {
 public:
  template <class X, class W, class B>
  Problem(const Kind& made, const Shape& made_shape, X x, W weight, B bias)
      : kind(made),
        shape(made_shape),
        per_group(channels_of(kind.x)),
        groups((shape.channels + per_group - 1) / per_group),
        x_((int64_t{groups} * shape.places + (shape.roomy ? kMatrix : 0)) * kGroupBytes, 55),
        padding_(shape.padded ? int64_t{groups} * kGroupBytes : 0),
        weight_(order(false).count() * static_cast<int64_t>(kind.weight_bytes)),
        matrices_(kind.x == Encoding::u8x4 ? order(true).count() : 0),
        bias_(shape.out * int64_t{kind.weight_bytes == 8 ? 8 : 4}),
        addend_(uniform_values(int64_t{shape.out} * (shape.positions + 1) * kBlock, -9.0f, 9.0f, shape.seed + 5)) {
    Random random(shape.seed);
    for (int64_t i = 0; i < int64_t{shape.positions} * shape.taps; ++i) {
      const bool padded = shape.padded && random.below(3) == 0;
      at.push_back(padded ? kPadded : static_cast<int32_t>(random.below(shape.places)));
    }
    for (int64_t i = 0; i < int64_t{groups} * (shape.padded ? 1 : 0) * kBlock * per_group; ++i)
      put_number(padding_, kind.x, i, shape.zero);
    for (int c = 0; c < groups * per_group; ++c)
      for (int place = 0; place < shape.places; ++place)
        for (int s = 0; s < kBlock; ++s)  // whatever lies in channels that only fill a group up must not count
          put_number(x_, kind.x, x_index(c, place, s), c < shape.channels ? x(c, place, s) : 99);
    for (int o = 0; o < shape.out; ++o) {
      for (int t = 0; t < shape.taps; ++t)
        for (int c = 0; c < shape.channels; ++c) {
          const double value = weight(o, t, c);
          put_weight(weight_, kind, order(false).place(o, t, c), value);
          if (matrices_.size() > 0) put_weight(matrices_, kind, order(true).place(o, t, c), value);
        }
      if (kind.weight_bytes == 8) {
        bias_.put(o, static_cast<double>(bias(o)));
      } else if (kind.integers) {
        bias_.put(o, static_cast<int32_t>(bias(o)));
      } else {
        bias_.put(o, static_cast<float>(bias(o)));
      }
    }
  }

  // y has the size that the finish asks for.
  Packed run(const KernelTable& k, const Finish& finish, float scale, int lanes = kBlock) const {
    Product p;
    p.x = x_.data();
    p.at = at.data();
    p.padding = shape.padded ? padding_.data() : nullptr;
    p.positions = shape.positions, p.taps = shape.taps, p.groups = groups, p.stride = shape.places;
    p.matrices = kind.x == Encoding::u8x4 && k.product.takes_matrices(shape.out, shape.taps, groups);
    p.weight = p.matrices ? matrices_.data() : weight_.data();
    p.bias = shape.bias ? bias_.data() : nullptr;
    p.shift = shape.shift, p.scale = scale, p.out = shape.out, p.finish = finish;
    p.place_side_by_side();
    p.lanes = lanes;
    p.roomy = shape.roomy;
    if (shape.added) p.addend = addend_.data(), p.addend_across = shape.positions + 1;
    const int channels = channels_of(finish.to);
    Packed y(int64_t{shape.positions} * ((shape.out + channels - 1) / channels) * kGroupBytes, 77);
    p.y = y.data();
    (k.product.*kind.kernel)(p);
    return y;
  }

  Kind kind;
  Shape shape;
  int per_group, groups;
  std::vector<int32_t> at;

 private:
  int64_t x_index(int c, int place, int s) const {
    return ((int64_t{c / per_group} * shape.places + place) * kBlock + s) * per_group + c % per_group;
  }
  WeightOrder order(bool matrices) const { return {shape.out, shape.taps, groups, per_group, matrices}; }

  Packed x_, padding_, weight_, matrices_, bias_;
  std::vector<float> addend_;
};

// The finishes that products and encodings may have. alpha and beta: one per output.
inline std::vector<Finish> finishes_of(const float* alpha, const float* beta) {
  std::vector<Finish> all;
  for (const int affine : {0, 1, 2})
    for (const bool relu : {false, true}) {
      Finish f;
      if (affine) f.op.alpha = alpha, f.op.beta = beta;
      f.op.fused_affine = affine != 2;
      f.op.relu = relu;
      all.push_back(f);
      f.op.grid = {16.0f, 0.0625f, -128.0f, 127.0f};
      for (const Rounding rounding : {Rounding::codes, Rounding::values}) {
        f.op.rounding = rounding;
        all.push_back(f);
      }
      f.op.rounding = Rounding::codes;
      f.to = Encoding::u8x4, f.zero = 128;
      all.push_back(f);
      f.zero = 0, f.op.grid = {1.0f, 1.0f, 0.0f, 255.0f};
      all.push_back(f);
      f.to = Encoding::s16x2, f.op.grid = {0.25f, 4.0f, -32768.0f, 32767.0f};
      all.push_back(f);
    }
  return all;
}

// Bytes that differ, or floats of which not both are NaN; -1 where none do.
inline int64_t first_difference(const Packed& a, const Packed& b, Encoding encoding) {
  if (a.size() != b.size()) return 0;
  for (int64_t i = 0; i < a.size() / 4; ++i)
    if (encoding == Encoding::f32 ? !same_bits(a.get<float>(i), b.get<float>(i))
                                  : a.get<uint32_t>(i) != b.get<uint32_t>(i))
      return i;
  return -1;
}

inline std::string text(const Finish& f) {
  return join(" to ", static_cast<int>(f.to), " zero ", f.zero, " affine ", f.op.alpha != nullptr, " fused ",
              f.op.fused_affine, " relu ", f.op.relu, " rounding ", static_cast<int>(f.op.rounding));
}

}  // namespace chop::testing
