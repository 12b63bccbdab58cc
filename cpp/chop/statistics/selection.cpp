#include "chop/statistics/selection.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <optional>

#include "chop/kernels/kernels.h"

namespace chop::statistics {
namespace {

constexpr int64_t kSmall = 1 << 15;    // up to here a copy and nth_element do
constexpr int64_t kSampled = 1 << 16;  // numbers that tell where to look
constexpr int64_t kStep = 4096;        // read once, compared with every window

struct Rank {
  int64_t index = 0;  // the lower neighbour, from 0
  double weight = 0.0;
};

struct Pair {
  double low, high;  // the numbers at index and index + 1
};

Rank rank_of(double q, int64_t n) {
  const double position = q * static_cast<double>(n - 1);
  const double floor = std::floor(position);
  return {static_cast<int64_t>(floor), position - floor};
}

double interpolate(const Pair& pair, double weight) {
  if (weight == 0.0 || pair.low == pair.high) return pair.low;  // infinities must not become NaN
  const double step = pair.high - pair.low;
  if (!std::isfinite(step)) return pair.low * (1.0 - weight) + pair.high * weight;
  return weight < 0.5 ? pair.low + step * weight : pair.high - step * (1.0 - weight);
}

template <class T>
Pair pair_at(std::vector<T>& numbers, int64_t index) {
  const auto at = numbers.begin() + index;
  std::nth_element(numbers.begin(), at, numbers.end());
  const auto next = std::min_element(at + 1, numbers.end());
  return {static_cast<double>(*at), static_cast<double>(next == numbers.end() ? *at : *next)};
}

auto window_kernel(float) { return kernels().window_f32; }
auto window_kernel(double) { return kernels().window_f64; }

// Numbers below, inside and above an open interval that should hold a rank and the next one.
template <class T>
class Window {
 public:
  Window(T low, T high) : low_(low), high_(high) {}

  void add(const T* x, int64_t n) {
    if (full_) {
      for (int64_t i = 0; i < n; ++i) counts_.numbers += x[i] == x[i];
      return;
    }
    inside_.resize(static_cast<size_t>(found_ + n + 1));
    found_ += window_kernel(T{})(x, n, low_, high_, &counts_, inside_.data() + found_);
    full_ = found_ > limit_;
  }

  void expect(int64_t n) { limit_ = n / 4; }
  int64_t numbers() const { return counts_.numbers; }

  // Nothing if the numbers at index and index + 1 of n do not lie in the interval or on its ends.
  std::optional<Pair> find(int64_t index, int64_t n) {
    if (full_) return std::nullopt;
    const int64_t next = std::min(index + 1, n - 1);
    if (index < counts_.below || next >= counts_.to_high) return std::nullopt;
    inside_.resize(static_cast<size_t>(found_));
    if (index >= counts_.to_low && next < counts_.to_low + found_) return pair_at(inside_, index - counts_.to_low);
    return Pair{at(index), at(next)};
  }

 private:
  double at(int64_t rank) {
    if (rank < counts_.to_low) return static_cast<double>(low_);
    if (rank >= counts_.to_low + found_) return static_cast<double>(high_);
    const auto place = inside_.begin() + (rank - counts_.to_low);
    std::nth_element(inside_.begin(), place, inside_.end());
    return static_cast<double>(*place);
  }

  const T low_, high_;
  WindowCounts counts_;
  std::vector<T> inside_;
  int64_t found_ = 0, limit_ = 0;
  bool full_ = false;
};

// Numbers at random places: evenly spaced ones would see only one channel of interleaved data.
template <class T>
std::vector<T> sample(const Pieces<T>& pieces) {
  std::vector<T> result;
  uint64_t state = 88172645463325252ull;
  for (const auto& piece : pieces.pieces()) {
    const int64_t share = kSampled * piece.size / pieces.size() + 1;
    for (int64_t i = 0; i < share; ++i) {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      const T v = piece.data[state % static_cast<uint64_t>(piece.size)];
      if (v == v) result.push_back(v);
    }
  }
  return result;
}

template <class T>
Window<T> window_around(std::vector<T>& sample, double q) {
  const double n = static_cast<double>(sample.size());
  const double reach = 4.0 * std::sqrt(n * q * (1.0 - q)) + 4.0;  // four standard deviations of the sample's rank
  const auto value = [&](double rank) {
    if (rank < 0.0) return -std::numeric_limits<T>::infinity();
    if (rank >= n) return std::numeric_limits<T>::infinity();
    const auto at = sample.begin() + static_cast<int64_t>(rank);
    std::nth_element(sample.begin(), at, sample.end());
    return *at;
  };
  const T low = value(std::floor(q * n - reach));
  return {low, value(std::ceil(q * n + reach))};
}

// The order of the numbers as unsigned integers; the upper 16 bits are the bucket.
uint32_t bucket(float v) {
  const uint32_t bits = std::bit_cast<uint32_t>(v + 0.0f);  // -0.0 becomes 0.0
  return (bits >> 31 ? ~bits : bits | 0x80000000u) >> 16;
}
uint32_t bucket(double v) {
  const uint64_t bits = std::bit_cast<uint64_t>(v + 0.0);
  return static_cast<uint32_t>((bits >> 63 ? ~bits : bits | (1ull << 63)) >> 48);
}

// The sure road: a histogram over the upper 16 bits says which buckets to look into, whatever the data.
template <class T>
class Radix {
 public:
  explicit Radix(const Pieces<T>& pieces) : pieces_(pieces), counts_(1 << 16) {
    each([&](T v) { ++counts_[bucket(v)]; });
  }

  Pair find(int64_t index, int64_t n) const { return {at(index), at(std::min(index + 1, n - 1))}; }

 private:
  template <class Use>
  void each(Use use) const {
    for (const auto& piece : pieces_.pieces())
      for (int64_t i = 0; i < piece.size; ++i)
        if (piece.data[i] == piece.data[i]) use(piece.data[i]);
  }

  double at(int64_t rank) const {
    uint32_t b = 0;
    for (; rank >= counts_[b]; ++b) rank -= counts_[b];
    std::vector<T> inside;
    inside.reserve(static_cast<size_t>(counts_[b]));
    each([&](T v) {
      if (bucket(v) == b) inside.push_back(v);
    });
    std::nth_element(inside.begin(), inside.begin() + rank, inside.end());
    return static_cast<double>(inside[static_cast<size_t>(rank)]);
  }

  const Pieces<T>& pieces_;
  std::vector<int64_t> counts_;
};

template <class T>
Quantiles select(const Pieces<T>& pieces, const std::vector<double>& asked) {
  std::vector<T> sampled = sample(pieces);
  std::vector<Window<T>> windows;
  for (const double q : asked) windows.push_back(window_around(sampled, q));
  for (auto& window : windows) window.expect(pieces.size());
  for (const auto& piece : pieces.pieces())
    for (int64_t i = 0; i < piece.size; i += kStep) {
      const T* x = piece.data.get() + i;
      const int64_t n = std::min(kStep, piece.size - i);
      for (auto& window : windows) window.add(x, n);
    }
  const int64_t count = windows.front().numbers();
  Quantiles result{{}, count};
  std::optional<Radix<T>> radix;
  for (size_t i = 0; i < asked.size(); ++i) {
    const Rank rank = rank_of(asked[i], count);
    std::optional<Pair> pair = windows[i].find(rank.index, count);
    if (!pair) {
      if (!radix) radix.emplace(pieces);
      pair = radix->find(rank.index, count);
    }
    result.values.push_back(interpolate(*pair, rank.weight));
  }
  return result;
}

}  // namespace

template <class T>
Quantiles quantiles(std::vector<T>& numbers, const std::vector<double>& asked) {
  const auto n = static_cast<int64_t>(numbers.size());
  Quantiles result{{}, n};
  for (const double q : asked) {
    const Rank rank = rank_of(q, n);
    const double nothing = std::numeric_limits<double>::quiet_NaN();
    result.values.push_back(n == 0 ? nothing : interpolate(pair_at(numbers, rank.index), rank.weight));
  }
  return result;
}

template <class T>
Quantiles quantiles(const Pieces<T>& pieces, const std::vector<double>& asked) {
  std::vector<T> numbers;
  if (pieces.size() > kSmall) {
    for (const auto& piece : pieces.pieces())
      if (std::any_of(piece.data.get(), piece.data.get() + piece.size, [](T v) { return v == v; }))
        return select(pieces, asked);
  }
  for (const auto& piece : pieces.pieces())
    std::copy_if(piece.data.get(), piece.data.get() + piece.size, std::back_inserter(numbers),
                 [](T v) { return v == v; });
  return quantiles(numbers, asked);
}

template Quantiles quantiles(const Pieces<float>&, const std::vector<double>&);
template Quantiles quantiles(const Pieces<double>&, const std::vector<double>&);
template Quantiles quantiles(std::vector<float>&, const std::vector<double>&);
template Quantiles quantiles(std::vector<double>&, const std::vector<double>&);

}  // namespace chop::statistics
