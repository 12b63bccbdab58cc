#include "chop/statistics/moment_sums.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "chop/kernels/kernels.h"

namespace chop::statistics {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr int64_t kBlockBytes = 24 << 10;  // what is read twice must stay in the first cache
constexpr int64_t kWidestBytes = 8 << 10;  // a wider row leaves too few rows in a block

const MomentKernels<float>& kernels_for(const float*) { return kernels().moments_f32; }
const MomentKernels<double>& kernels_for(const double*) { return kernels().moments_f64; }

// The slow road, for numbers that no vector fills and for blocks with NaN or infinities: columns first … last - 1.
template <class T>
void add_plain(MomentSums& sums, const T* x, int64_t rows, int64_t stride, int64_t first, int64_t last, bool abs) {
  for (int64_t g = first; g < last; ++g) {
    int64_t n = 0;
    double sum = 0.0, low = kInfinity, high = -kInfinity;
    for (int64_t r = 0; r < rows; ++r) {
      const double v = abs ? std::fabs(static_cast<double>(x[r * stride + g])) : static_cast<double>(x[r * stride + g]);
      if (std::isnan(v)) continue;
      ++n;
      sum += v;
      low = std::min(low, v);
      high = std::max(high, v);
    }
    sums.nan[g] += rows - n;
    if (n == 0) continue;
    const double mean = sum / static_cast<double>(n);
    double rest = 0.0, squares = 0.0;
    for (int64_t r = 0; r < rows; ++r) {
      const double v = abs ? std::fabs(static_cast<double>(x[r * stride + g])) : static_cast<double>(x[r * stride + g]);
      if (std::isnan(v)) continue;
      rest += v - mean;
      squares += (v - mean) * (v - mean);
    }
    sums.add_part(g, {n, mean, rest, squares, low, high});
  }
}

// Rows of `width` numbers, a multiple of the kernel's tile; column c belongs to group c % groups, so that few groups
// fill all lanes: several rows of data lie side by side as one.
template <class T>
class Blocks {
 public:
  Blocks(MomentSums& sums, int64_t width, int64_t groups, int64_t stride, bool abs)
      : sums_(sums),
        width_(width),
        groups_(groups),
        stride_(stride),
        abs_(abs),
        sum_(width),
        rest_(width),
        squares_(width),
        mean_(width),
        low_(width),
        high_(width) {}

  void add(const T* x, int64_t rows) {
    const int64_t step = std::max<int64_t>(1, kBlockBytes / (width_ * static_cast<int64_t>(sizeof(T))));
    for (int64_t r = 0; r < rows; r += step) block(x + r * stride_, std::min(step, rows - r));
  }

 private:
  void block(const T* x, int64_t rows) {
    const MomentKernels<T>& kernel = kernels_for(x);
    kernel.sums(x, rows, stride_, width_, abs_, sum_.data(), low_.data(), high_.data());
    const bool clean = find_bad();
    fold();
    const int64_t n = rows * (width_ / groups_);
    for (int64_t g = 0; g < groups_; ++g) sum_[g] /= static_cast<double>(n);
    for (int64_t c = 0; c < width_; c += groups_) std::copy_n(sum_.begin(), groups_, mean_.begin() + c);
    kernel.squares(x, rows, stride_, width_, abs_, mean_.data(), rest_.data(), squares_.data());
    for (int64_t c = groups_; c < width_; ++c) {
      rest_[c % groups_] += rest_[c];
      squares_[c % groups_] += squares_[c];
    }
    for (int64_t g = 0; g < groups_; ++g) {
      if (clean || !bad_[static_cast<size_t>(g)]) {
        sums_.add_part(g, {n, mean_[g], rest_[g], squares_[g], low_[g], high_[g]});
      } else if (width_ == groups_) {
        add_plain(sums_, x, rows, stride_, g, g + 1, abs_);
      } else {
        add_plain(sums_, x, n, groups_, g, g + 1, abs_);
      }
    }
  }

  // The groups with a NaN or an infinity somewhere, which go the slow road; the others shall not notice.
  bool find_bad() {
    double check = 0.0;
    for (int64_t c = 0; c < width_; ++c) check += sum_[c] * 0.0;
    if (check == 0.0) return true;
    bad_.assign(static_cast<size_t>(groups_), false);
    for (int64_t c = 0; c < width_; ++c)
      if (!std::isfinite(sum_[c])) bad_[static_cast<size_t>(c % groups_)] = true;
    return false;
  }

  void fold() {
    for (int64_t c = groups_; c < width_; c += groups_)
      for (int64_t g = 0; g < groups_; ++g) {
        sum_[g] += sum_[c + g];
        low_[g] = std::min(low_[g], low_[c + g]);
        high_[g] = std::max(high_[g], high_[c + g]);
      }
  }

  MomentSums& sums_;
  const int64_t width_, groups_, stride_;
  const bool abs_;
  std::vector<double> sum_, rest_, squares_, mean_;
  std::vector<T> low_, high_;
  std::vector<bool> bad_;
};

std::vector<double> where_counted(const std::vector<int64_t>& count, std::vector<double> values) {
  for (size_t g = 0; g < count.size(); ++g)
    if (count[g] == 0) values[g] = kNaN;
  return values;
}

}  // namespace

void MomentSums::reset(int64_t groups) {
  count.assign(groups, 0);
  nan.assign(groups, 0);
  mean.assign(groups, 0.0);
  rest.assign(groups, 0.0);
  squares.assign(groups, 0.0);
  least.assign(groups, kInfinity);
  most.assign(groups, -kInfinity);
}

void MomentSums::add_part(int64_t g, const Part& part) {
  least[g] = std::min(least[g], part.low);
  most[g] = std::max(most[g], part.high);
  // Of huge ones even the rounding of their mean is a distance whose square overflows.
  if (part.low == part.high && std::isfinite(part.low)) return combine(g, part.n, part.low, 0.0, 0.0);
  const auto n = static_cast<double>(part.n);
  const double to_mean = part.rest / n, around = part.squares - part.rest * to_mean;
  if (std::isfinite(around)) return combine(g, part.n, part.origin, to_mean, std::max(0.0, around));
  combine(g, part.n, part.origin, 0.0, std::isfinite(part.origin) ? part.squares : kNaN);
}

void MomentSums::combine(int64_t g, int64_t n, double other_mean, double other_rest, double other_squares) {
  const double before = static_cast<double>(count[g]), added = static_cast<double>(n), total = before + added;
  count[g] += n;
  const double delta = (other_mean - mean[g]) + (other_rest - rest[g]);
  if (before == 0.0) {
    mean[g] = other_mean;
    rest[g] = other_rest;
    squares[g] = other_squares;
  } else if (std::isfinite(delta)) {
    squares[g] += other_squares + delta * delta * (before * added / total);
    // Knuth's sum: what does not fit into the mean stays beside it.
    const double step = rest[g] + delta * (added / total), next = mean[g] + step, moved = next - mean[g];
    rest[g] = (mean[g] - (next - moved)) + (step - moved);
    mean[g] = next;
  } else {  // an infinite mean stays, two of opposite sign give NaN, and there is no variance
    mean[g] += other_mean;
    rest[g] = 0.0;
    squares[g] = kNaN;
  }
}

template <class T>
void MomentSums::add(const T* x, int64_t rows, bool abs) {
  const int64_t n = groups(), tile = kMomentTile;
  const int64_t side_by_side = tile / std::gcd(n, tile);
  const int64_t width = n * side_by_side;
  int64_t done_rows = 0, done_columns = n;
  if (width * static_cast<int64_t>(sizeof(T)) <= kWidestBytes && rows >= side_by_side) {
    done_rows = rows / side_by_side * side_by_side;
    Blocks<T>(*this, width, n, width, abs).add(x, rows / side_by_side);
  } else if (n >= tile) {
    done_rows = rows;
    done_columns = n / tile * tile;
    Blocks<T>(*this, done_columns, done_columns, n, abs).add(x, rows);
  }
  if (done_columns < n) add_plain(*this, x, rows, n, done_columns, n, abs);
  if (done_rows < rows) add_plain(*this, x + done_rows * n, rows - done_rows, n, 0, n, abs);
}

template void MomentSums::add(const float*, int64_t, bool);
template void MomentSums::add(const double*, int64_t, bool);

void MomentSums::merge(const MomentSums& other) {
  for (int64_t g = 0; g < groups(); ++g) {
    nan[g] += other.nan[g];
    if (other.count[g] == 0) continue;
    least[g] = std::min(least[g], other.least[g]);
    most[g] = std::max(most[g], other.most[g]);
    combine(g, other.count[g], other.mean[g], other.rest[g], other.squares[g]);
  }
}

std::vector<double> MomentSums::variance(int64_t ddof) const {
  std::vector<double> result(count.size(), kNaN);
  for (size_t g = 0; g < count.size(); ++g)
    if (count[g] > ddof) result[g] = squares[g] / static_cast<double>(count[g] - ddof);
  return result;
}

std::vector<double> MomentSums::means() const {
  std::vector<double> sum = mean;
  for (size_t g = 0; g < sum.size(); ++g) sum[g] += rest[g];
  return where_counted(count, std::move(sum));
}
std::vector<double> MomentSums::minima() const { return where_counted(count, least); }
std::vector<double> MomentSums::maxima() const { return where_counted(count, most); }

bool MomentSums::all_counts_below(int64_t n) const {
  return std::all_of(count.begin(), count.end(), [n](int64_t c) { return c < n; });
}

}  // namespace chop::statistics
