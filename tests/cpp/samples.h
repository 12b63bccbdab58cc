// Numbers that break kernels, and the sizes that break vector loops.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "chop/kernels/kernels.h"
#include "test.h"

namespace chop::testing {

// 1 to 10, multiples of every vector width and one more and one less, and one long odd size.
inline std::vector<int> awkward_sizes(int longest) {
  std::vector<int> sizes{1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  for (const int multiple : {16, 32, 48, 64, 128, 256})
    for (const int step : {-1, 0, 1}) sizes.push_back(multiple + step);
  sizes.push_back(longest);
  return sizes;
}

// Zeros, NaN, infinities, subnormals, halves and clamp edges in units of `step`, extremes.
template <class T>
std::vector<T> special_values(T step, T qmin, T qmax) {
  using limits = std::numeric_limits<T>;
  std::vector<T> values{T(0),
                        -T(0),
                        limits::quiet_NaN(),
                        limits::infinity(),
                        -limits::infinity(),
                        limits::max(),
                        limits::lowest(),
                        limits::min(),
                        -limits::min(),
                        limits::denorm_min(),
                        -limits::denorm_min(),
                        T(3) * limits::denorm_min(),
                        T(1) / T(3),
                        -T(1) / T(3)};
  for (int k = -12; k <= 12; ++k)
    for (const T part : {T(0), T(0.5), T(0.25)}) values.push_back((T(k) + part) * step);
  for (const T edge : {qmin, qmax})
    for (const T part : {T(-1), T(-0.5), T(0), T(0.5), T(1)}) {
      const T at = (edge + part) * step;
      for (const T value : {at, std::nextafter(at, limits::infinity()), std::nextafter(at, -limits::infinity())})
        values.push_back(value);
    }
  // Where floats have no fraction left.
  for (const T large : {T(8388607.5), T(8388608), T(8388609), T(4503599627370495.5), T(4503599627370497)})
    values.push_back(large * step), values.push_back(-large * step);
  return values;
}

// Special values first, then random ones of any size, then random bit patterns; `count` in all, in a vector whose end
// is the end of its memory, so that a sanitizer sees a read too far.
template <class T>
std::vector<T> awkward_values(int64_t count, T step, T qmin, T qmax, uint64_t seed) {
  Random random(seed);
  const std::vector<T> special = special_values(step, qmin, qmax);
  std::vector<T> values(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    T& value = values[static_cast<size_t>(i)];
    if (random.below(3) == 0) {
      value = special[static_cast<size_t>(random.below(static_cast<int64_t>(special.size())))];
    } else if (random.below(3) == 0) {
      const uint64_t bits = random.bits();
      std::memcpy(&value, &bits, sizeof value);
    } else {
      value = static_cast<T>(random.uniform(-2.0f, 2.0f)) * step * (qmax - qmin);
    }
  }
  return values;
}

inline std::vector<float> uniform_values(int64_t count, float lo, float hi, uint64_t seed) {
  Random random(seed);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = random.uniform(lo, hi);
  return values;
}

// Whole numbers, so that every sum of products is exact.
inline std::vector<float> whole_values(int64_t count, int largest, uint64_t seed) {
  Random random(seed);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = static_cast<float>(random.below(2 * largest + 1) - largest);
  return values;
}

}  // namespace chop::testing
