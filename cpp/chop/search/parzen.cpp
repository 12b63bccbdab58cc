#include "chop/search/parzen.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace chop::search {
namespace {

constexpr double largest = 1e280;  // products of many ratios stay finite

double below(double x) { return 0.5 * std::erfc(-x * std::sqrt(0.5)); }

int64_t position(Random& random, const std::vector<double>& cumulative) {
  const double at = random.uniform() * cumulative.back();
  const auto found = std::upper_bound(cumulative.begin(), cumulative.end() - 1, at);
  return found - cumulative.begin();
}

}  // namespace

Kernels::Kernels(Parameter parameter) : parameter_(parameter) {
  const auto length = static_cast<size_t>(parameter.length);
  flat_probability_.assign(length, 1.0);  // for from()
  const double width = static_cast<double>(parameter.length);
  flat_ = parameter.ordered ? discretised(0.5 * (width - 1), width)
                            : from(std::vector<double>(length, 1.0 / static_cast<double>(length)));
  flat_probability_ = flat_.ratio;
  flat_.ratio.assign(length, 1.0);
  least_.resize(length);
  shares_.resize(length);
}

Kernel Kernels::from(std::vector<double> probability) const {
  Kernel kernel;
  kernel.cumulative.resize(probability.size());
  std::partial_sum(probability.begin(), probability.end(), kernel.cumulative.begin());
  kernel.ratio = std::move(probability);
  for (size_t v = 0; v < kernel.ratio.size(); ++v) kernel.ratio[v] /= flat_probability_[v];
  return kernel;
}

// A normal distribution cut at both ends and rounded to the nearest value.
Kernel Kernels::discretised(double centre, double width) const {
  const auto edge = [&](int64_t v) { return (static_cast<double>(v) - 0.5 - centre) / width; };
  std::vector<double> probability;
  double total = 0;
  for (int64_t v = 0; v < parameter_.length; ++v) {
    // In the tail that is smaller, where differences of the distribution function keep their digits.
    const double left = edge(v), right = edge(v + 1);
    probability.push_back(left > 0 ? below(-left) - below(-right) : below(right) - below(left));
    total += probability.back();
  }
  for (double& p : probability) p /= total;
  return from(std::move(probability));
}

const Kernel& Kernels::gaussian(int64_t centre, double width) {
  const auto found = wider_.find({centre, width});
  if (found != wider_.end()) return found->second;
  return wider_.emplace(std::pair(centre, width), discretised(static_cast<double>(centre), width)).first->second;
}

// Of the `at`-th of the sorted values: the larger distance to a neighbour; at either end the only one.
double Kernels::width_of(size_t at, double least) const {
  const auto value = [&](size_t i) { return static_cast<double>(values_[sorted_[i]]); };
  const double most = static_cast<double>(parameter_.length);
  const size_t count = sorted_.size();
  double width = 0;
  if (count == 1) {
    width = std::max(value(0) + 0.5, most - 0.5 - value(0));
  } else {
    if (at > 0) width = value(at) - value(at - 1);
    if (at + 1 < count) width = std::max(width, value(at + 1) - value(at));
  }
  return std::clamp(width, least, most);
}

void Kernels::of(const std::vector<int64_t>& values, std::vector<const Kernel*>& kernels) {
  const size_t count = values.size();
  if (count != count_) {
    for (auto& kernel : parameter_.ordered ? least_ : shares_) kernel.reset();
    count_ = count;
  }
  kernels.resize(count);
  const double length = static_cast<double>(parameter_.length);
  if (!parameter_.ordered) {
    const double prior = 1.0 / static_cast<double>(count + 1);
    for (size_t i = 0; i < count; ++i) {
      auto& kernel = shares_[static_cast<size_t>(values[i])];
      if (!kernel) {
        std::vector<double> probability(flat_probability_.size(), prior / (length * prior + 1));
        probability[static_cast<size_t>(values[i])] = (prior + 1) / (length * prior + 1);
        kernel = std::make_unique<Kernel>(from(std::move(probability)));
      }
      kernels[i] = kernel.get();
    }
    return;
  }
  // Sorted by value, then by age: one bucket a value.
  values_ = values;
  starts_.assign(flat_probability_.size() + 1, 0);
  for (const int64_t v : values) ++starts_[static_cast<size_t>(v) + 1];
  std::partial_sum(starts_.begin(), starts_.end(), starts_.begin());
  sorted_.resize(count);
  for (size_t i = 0; i < count; ++i) sorted_[starts_[static_cast<size_t>(values[i])]++] = i;
  const double least = length / static_cast<double>(std::min<size_t>(100, count + 2));
  for (size_t at = 0; at < count; ++at) {
    const int64_t centre = values[sorted_[at]];
    const double width = width_of(at, least);
    if (width == least) {
      auto& kernel = least_[static_cast<size_t>(centre)];
      if (!kernel) kernel = std::make_unique<Kernel>(discretised(static_cast<double>(centre), least));
      kernels[sorted_[at]] = kernel.get();
    } else {
      kernels[sorted_[at]] = &gaussian(centre, width);
    }
  }
}

Mixture::Mixture(const std::vector<Kernels>& tables, std::vector<std::vector<const Kernel*>> kernels,
                 std::vector<double> weights)
    : tables_(tables), kernels_(std::move(kernels)), weights_(std::move(weights)), cumulative_(weights_.size()) {
  const double total = std::accumulate(weights_.begin(), weights_.end(), 0.0);
  for (double& weight : weights_) weight /= total;
  std::partial_sum(weights_.begin(), weights_.end(), cumulative_.begin());
  for (size_t d = 0; d < kernels_.size(); ++d) kernels_[d].push_back(&tables_[d].flat());
}

size_t Mixture::kernel(Random& random) const { return static_cast<size_t>(position(random, cumulative_)); }

void Mixture::draw(Random& random, int64_t* point) const {
  const size_t chosen = kernel(random);
  for (size_t d = 0; d < kernels_.size(); ++d) point[d] = position(random, kernels_[d][chosen]->cumulative);
}

int64_t Mixture::draw(Random& random, size_t parameter) const {
  const size_t chosen = kernel(random);
  return position(random, kernels_[parameter][chosen]->cumulative);
}

std::vector<double> Mixture::densities(const std::vector<int64_t>& points) const {
  const size_t parameters = kernels_.size(), count = points.size() / parameters, kernels = weights_.size();
  std::vector<double> products(count * kernels), column(kernels);
  for (size_t c = 0; c < count; ++c) std::copy(weights_.begin(), weights_.end(), &products[c * kernels]);
  std::vector<char> done;
  for (size_t d = 0; d < parameters; ++d) {
    done.assign(count, 0);
    for (size_t c = 0; c < count; ++c) {
      if (done[c]) continue;
      const int64_t value = points[c * parameters + d];
      for (size_t k = 0; k < kernels; ++k) column[k] = kernels_[d][k]->ratio[static_cast<size_t>(value)];
      for (size_t same = c; same < count; ++same) {
        if (points[same * parameters + d] != value) continue;
        done[same] = 1;
        double* product = &products[same * kernels];
        for (size_t k = 0; k < kernels; ++k) product[k] = std::min(product[k] * column[k], largest);
      }
    }
  }
  std::vector<double> sums(count);
  for (size_t c = 0; c < count; ++c)
    sums[c] = std::accumulate(&products[c * kernels], &products[c * kernels] + kernels, 0.0);
  return sums;
}

std::vector<double> Mixture::densities(size_t parameter) const {
  std::vector<double> sums(static_cast<size_t>(tables_[parameter].length()), 0.0);
  for (size_t k = 0; k < weights_.size(); ++k)
    for (size_t v = 0; v < sums.size(); ++v) sums[v] += weights_[k] * kernels_[parameter][k]->ratio[v];
  return sums;
}

}  // namespace chop::search
