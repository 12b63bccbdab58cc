// Numbers that depend on a seed and a stream only, the same on every machine.
#pragma once

#include <cstdint>

namespace chop::search {

// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
class Random {
 public:
  Random(uint64_t seed, uint64_t stream) : state_(mixed(seed) + mixed(~stream)) {}

  uint64_t next() { return mixed(state_ += step); }
  // In [0, 1).
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  // 0..count-1; the bias of at most count / 2^53 does not matter here.
  int64_t below(int64_t count) { return static_cast<int64_t>(uniform() * static_cast<double>(count)); }

 private:
  static constexpr uint64_t step = 0x9E3779B97F4A7C15u;

  static uint64_t mixed(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
  }

  uint64_t state_;
};

}  // namespace chop::search
