// Mixtures of products of discrete kernels, one kernel for each observed point and one flat one, tabulated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "chop/search/random.h"

namespace chop::search {

// A parameter takes the values 0..length-1; neighbouring ones resemble each other only where it is ordered.
struct Parameter {
  int64_t length = 1;
  bool ordered = true;
};

// One kernel in one dimension.
struct Kernel {
  std::vector<double> ratio;       // probability of each value over that under the flat kernel
  std::vector<double> cumulative;  // of the probabilities
};

// The kernels of one parameter, made once: many points share theirs.
class Kernels {
 public:
  explicit Kernels(Parameter parameter);

  const Kernel& flat() const { return flat_; }
  int64_t length() const { return parameter_.length; }
  // The kernels of observed values; widths as Optuna 5 has them (the larger distance to the neighbours), or, for an
  // unordered parameter, its share of the observed value. Valid until the next call for another number of values.
  void of(const std::vector<int64_t>& values, std::vector<const Kernel*>& kernels);

 private:
  const Kernel& gaussian(int64_t centre, double width);
  Kernel discretised(double centre, double width) const;
  Kernel from(std::vector<double> probability) const;
  double width_of(size_t at, double least) const;

  Parameter parameter_;
  std::vector<double> flat_probability_;
  Kernel flat_;
  size_t count_ = 0;  // of the values for which least_ and shares_ hold
  std::vector<std::unique_ptr<Kernel>> least_, shares_;
  std::map<std::pair<int64_t, double>, Kernel> wider_;
  std::vector<size_t> sorted_, starts_;
  std::vector<int64_t> values_;
};

// sum over kernels of weight x product over parameters of the kernel's probability.
class Mixture {
 public:
  // kernels: [parameters][points]; weights: [points + 1], the last that of the flat kernel, not normalised.
  Mixture(const std::vector<Kernels>& tables, std::vector<std::vector<const Kernel*>> kernels,
          std::vector<double> weights);

  // A point of the mixture, or of its marginal in one parameter.
  void draw(Random& random, int64_t* point) const;
  int64_t draw(Random& random, size_t parameter) const;
  // Densities relative to the flat kernel, up to one factor: points [count][parameters].
  std::vector<double> densities(const std::vector<int64_t>& points) const;
  std::vector<double> densities(size_t parameter) const;  // of each value

 private:
  size_t kernel(Random& random) const;

  const std::vector<Kernels>& tables_;
  std::vector<std::vector<const Kernel*>> kernels_;
  std::vector<double> weights_, cumulative_;
};

}  // namespace chop::search
