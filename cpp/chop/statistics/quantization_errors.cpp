#include "chop/statistics/quantization_errors.h"

#include <algorithm>

#include "chop/core/fixed_point.h"

namespace chop::statistics {

QuantizationErrors::QuantizationErrors(int64_t width, bool is_signed, const std::vector<int64_t>& frac_widths) {
  for (const int64_t frac_width : frac_widths) {
    const FixedPoint f = make_fixed_point(width, frac_width, is_signed);
    grids_.push_back({static_cast<float>(f.inverse_scale()), static_cast<float>(f.scale()),
                      static_cast<float>(f.qmin()), static_cast<float>(f.qmax())});
  }
  grids_.push_back({1.0f, 1.0f, 0.0f, 0.0f});
  sums_.assign(grids_.size() * kErrorLanes, 0.0);
}

void QuantizationErrors::update(const float* x, int64_t n, const ThreadPool& pool) {
  const std::lock_guard lock(mutex_);
  const auto grids = static_cast<int64_t>(grids_.size());
  const int64_t parts = std::min<int64_t>(pool.threads(), grids);
  pool.run(parts, [&](int64_t part) {
    const int64_t first = grids * part / parts, last = grids * (part + 1) / parts;
    kernels().squared_errors(x, n, count_, grids_.data() + first, static_cast<int>(last - first),
                             sums_.data() + first * kErrorLanes);
  });
  count_ += n;
}

double QuantizationErrors::total(size_t grid) const {
  double sum = 0.0;
  for (int lane = 0; lane < kErrorLanes; ++lane) sum += sums_[grid * kErrorLanes + static_cast<size_t>(lane)];
  return sum;
}

std::vector<double> QuantizationErrors::errors() const {
  const std::lock_guard lock(mutex_);
  std::vector<double> found;
  for (size_t grid = 0; grid + 1 < grids_.size(); ++grid) found.push_back(total(grid));
  return found;
}

double QuantizationErrors::power() const {
  const std::lock_guard lock(mutex_);
  return total(grids_.size() - 1);
}

int64_t QuantizationErrors::count() const {
  const std::lock_guard lock(mutex_);
  return count_;
}

}  // namespace chop::statistics
