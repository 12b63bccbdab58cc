// Counts in equal bins whose width is a power of two and whose edges are multiples of it.
//
// A grid twice as coarse joins its bins in pairs, so counts stay exact while the range grows, and the result depends on
// the numbers alone: not on their order, nor on how they were cut or merged.
#include <algorithm>
#include <cmath>
#include <limits>

#include "chop/statistics/statistic.h"

namespace chop::statistics {
namespace {

constexpr int64_t kMostCounts = int64_t{1} << 28;
constexpr int kFinest = -1022;  // below this a width would be subnormal

class Grid {
 public:
  void cover(double low, double high, int64_t bins) {
    if (!seen_) counts_.assign(static_cast<size_t>(bins), 0);
    const double least = seen_ ? std::min(low, least_) : low, most = seen_ ? std::max(high, most_) : high;
    int exponent = std::max(exponent_, finest(std::max(std::fabs(least), std::fabs(most))));
    while (cell(most, exponent) - cell(least, exponent) >= bins) ++exponent;
    move(exponent, cell(least, exponent));
    least_ = least;
    most_ = most;
    seen_ = true;
  }
  void count(double v) { ++counts_[static_cast<size_t>(cell(v, exponent_) - first_)]; }

  void merge(const Grid& other, int64_t bins) {
    if (!other.seen_) return;
    cover(other.least_, other.most_, bins);
    place(other, counts_);
  }

  bool seen() const { return seen_; }
  double low() const { return std::ldexp(static_cast<double>(first_), exponent_); }
  double width() const { return std::ldexp(1.0, exponent_); }
  const std::vector<int64_t>& counts() const { return counts_; }

 private:
  // Cell numbers stay below 2^50, so that they are exact.
  static int finest(double magnitude) {
    return magnitude == 0.0 ? kFinest : std::max(kFinest, std::ilogb(magnitude) - 49);
  }
  static int64_t cell(double v, int exponent) { return static_cast<int64_t>(std::floor(std::ldexp(v, -exponent))); }

  void move(int exponent, int64_t first) {
    if (seen_ && (exponent != exponent_ || first != first_)) {
      const Grid before = *this;
      std::fill(counts_.begin(), counts_.end(), 0);
      exponent_ = exponent;
      first_ = first;
      place(before, counts_);
    }
    exponent_ = exponent;
    first_ = first;
  }

  // Adds the counts of a finer grid, or one as fine, to this one's cells.
  void place(const Grid& finer, std::vector<int64_t>& counts) const {
    const int shift = std::min(exponent_ - finer.exponent_, 62);  // cell numbers have at most 50 bits
    for (size_t i = 0; i < finer.counts_.size(); ++i) {
      if (finer.counts_[i] == 0) continue;
      const int64_t cell = (finer.first_ + static_cast<int64_t>(i)) >> shift;
      counts[static_cast<size_t>(cell - first_)] += finer.counts_[i];
    }
  }

  std::vector<int64_t> counts_;
  double least_ = 0.0, most_ = 0.0;
  int exponent_ = kFinest;
  int64_t first_ = 0;  // cell number of the first bin
  bool seen_ = false;
};

class Histogram : public Statistic {
 public:
  explicit Histogram(const Arguments& arguments) : abs_(flag(arguments, "abs")), bins_(whole(arguments, "bins")) {
    check(bins_ >= 2 && bins_ <= 1 << 20, "histogram: bins must be 2..1048576, got ", bins_);
  }

 protected:
  void begin(int64_t groups) override {
    check(groups <= kMostCounts / bins_, "histogram: ", groups, " groups of ", bins_, " bins are more than ",
          kMostCounts, " counts");
    const auto n = static_cast<size_t>(groups);
    grids_.assign(n, {});
    count_.assign(n, 0);
    nan_.assign(n, 0);
    infinite_.assign(n, 0.0);
  }

  void add(const Values& values) override {
    values.visit([&](const auto* data) {
      for (int64_t g = 0; g < values.groups; ++g) add_group(data + g, values.rows, values.groups, g);
    });
  }

  void join(const Statistic& other) override {
    const auto& partner = static_cast<const Histogram&>(other);
    for (size_t g = 0; g < grids_.size(); ++g) {
      grids_[g].merge(partner.grids_[g], bins_);
      count_[g] += partner.count_[g];
      nan_[g] += partner.nan_[g];
      infinite_[g] += partner.infinite_[g];
    }
  }

  Result result() const override {
    Field counts{"counts", {}, bins_, false, true}, low{"low", {}}, width{"width", {}};
    bool none = true;
    for (const Grid& grid : grids_) {
      const std::vector<int64_t> empty(static_cast<size_t>(bins_), 0);
      const std::vector<int64_t>& found = grid.seen() ? grid.counts() : empty;
      counts.values.insert(counts.values.end(), found.begin(), found.end());
      const double nothing = std::numeric_limits<double>::quiet_NaN();
      low.values.push_back(grid.seen() ? grid.low() : nothing);
      width.values.push_back(grid.seen() ? grid.width() : nothing);
      none = none && !grid.seen();
    }
    low.missing = width.missing = none;
    return {{counts, low, width, {"infinite", infinite_, 1, false, true}}, count_, nan_};
  }

 private:
  template <class T>
  void add_group(const T* x, int64_t rows, int64_t stride, int64_t g) {
    const auto value = [&](int64_t r) {
      const double v = static_cast<double>(x[r * stride]);
      return abs_ ? std::fabs(v) : v;
    };
    double low = std::numeric_limits<double>::infinity(), high = -low;
    int64_t finite = 0;
    for (int64_t r = 0; r < rows; ++r) {
      const double v = value(r);
      nan_[g] += std::isnan(v);
      infinite_[g] += std::isinf(v) ? 1.0 : 0.0;
      if (!std::isfinite(v)) continue;
      ++finite;
      low = std::min(low, v);
      high = std::max(high, v);
    }
    count_[g] += finite;
    if (finite == 0) return;
    grids_[g].cover(low, high, bins_);
    for (int64_t r = 0; r < rows; ++r)
      if (const double v = value(r); std::isfinite(v)) grids_[g].count(v);
  }

  std::vector<Grid> grids_;
  std::vector<int64_t> count_, nan_;
  std::vector<double> infinite_;
  bool abs_;
  int64_t bins_;
};

[[maybe_unused]] const bool registered = registry().add(
    "histogram",
    {{{"bins", int64_t{64}}, {"abs", false}}, [](const Arguments& a) { return std::make_unique<Histogram>(a); }});

}  // namespace
}  // namespace chop::statistics
