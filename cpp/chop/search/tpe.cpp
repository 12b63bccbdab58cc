#include "chop/search/tpe.h"

#include <algorithm>
#include <cmath>

#include "chop/core/check.h"

namespace chop::search {
namespace {

constexpr int rounds = 8;          // of candidates, before chance decides
constexpr int random_tries = 256;  // before the whole space is looked through
constexpr double small_space = 1 << 16;
constexpr size_t most_good = 25;
constexpr size_t young = 25;                                         // trials of full weight
constexpr int64_t most_values = 1 << 20, most_candidates = 1 << 16;  // both are held in tables

size_t how_many_good(size_t finished, int objectives) {
  const auto tenth = static_cast<size_t>(std::ceil(0.1 * static_cast<double>(finished)));
  return objectives == 1 ? std::min(tenth, most_good) : tenth;
}

}  // namespace

Tpe::Tpe(std::vector<Parameter> parameters, int objectives, TpeOptions options)
    : parameters_(std::move(parameters)), objectives_(objectives), options_(options), ranking_(objectives) {
  check(!parameters_.empty(), "tpe: there must be at least one parameter");
  check(objectives >= 1, "tpe: there must be at least one objective, got ", objectives);
  check(options.startup >= 0, "tpe: startup must be at least 0, got ", options.startup);
  check(options.candidates >= 1 && options.candidates <= most_candidates, "tpe: candidates must be 1..",
        most_candidates, ", got ", options.candidates);
  for (const Parameter& parameter : parameters_) {
    check(parameter.length >= 1 && parameter.length <= most_values, "tpe: a parameter must have 1..", most_values,
          " values, got ", parameter.length);
    size_ *= static_cast<double>(parameter.length);
    good_tables_.emplace_back(parameter);
    bad_tables_.emplace_back(parameter);
  }
}

void Tpe::check_point(const Point& point) const {
  check(point.size() == parameters_.size(), "tpe: a point must have ", parameters_.size(), " indexes, got ",
        point.size());
  for (size_t d = 0; d < point.size(); ++d)
    check(point[d] >= 0 && point[d] < parameters_[d].length, "tpe: index ", d, " must be 0..",
          parameters_[d].length - 1, ", got ", point[d]);
}

void Tpe::tell(int64_t number, Point point, std::vector<double> values, double violation) {
  check_point(point);
  check(values.size() == static_cast<size_t>(objectives_), "tpe: a trial must have ", objectives_, " values, got ",
        values.size());
  check(!std::isnan(violation), "tpe: violation must be a number, got NaN");
  const std::lock_guard lock(mutex_);
  if (trials_.contains(number)) return;
  if (std::any_of(values.begin(), values.end(), [](double v) { return std::isnan(v); })) values.clear();
  if (options_.avoid_repeats) seen_.insert(point);
  const Trial& trial =
      trials_.emplace(number, Trial{number, std::move(point), std::move(values), violation}).first->second;
  if (!trial.values.empty()) ranking_.add(&trial);
}

Tpe::Point Tpe::propose(int64_t number, const std::vector<Trial>& running) {
  const std::lock_guard lock(mutex_);
  Seen taken;
  for (const Trial& trial : running) {
    check_point(trial.point);
    if (options_.avoid_repeats) taken.insert(trial.point);
  }
  Random random(options_.seed, static_cast<uint64_t>(number));
  const bool starting = static_cast<int64_t>(trials_.size() + running.size()) < options_.startup;
  Point found = starting ? uniform(random) : estimated(random, running, taken);
  if (!options_.avoid_repeats || is_free(found, taken)) return found;
  return untried(random, std::move(found), taken);
}

int64_t Tpe::told() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int64_t>(trials_.size());
}

Tpe::Point Tpe::uniform(Random& random) const {
  Point point;
  for (const Parameter& parameter : parameters_) point.push_back(random.below(parameter.length));
  return point;
}

bool Tpe::is_free(const Point& point, const Seen& taken) const {
  return !seen_.contains(point) && !taken.contains(point);
}

Tpe::Point Tpe::estimated(Random& random, const std::vector<Trial>& running, const Seen& taken) {
  std::vector<const Trial*> good = ranking_.best(how_many_good(ranking_.size(), objectives_)), bad;
  const auto older = [](const Trial* a, const Trial* b) { return a->number < b->number; };
  std::sort(good.begin(), good.end(), older);
  for (const auto& [number, trial] : trials_)
    if (!trial.values.empty() && !std::binary_search(good.begin(), good.end(), &trial, older)) bad.push_back(&trial);
  for (const Trial& trial : running) bad.push_back(&trial);
  std::sort(bad.begin(), bad.end(), older);
  const Mixture of_good = mixture(good_tables_, good, objectives_ == 1), of_bad = mixture(bad_tables_, bad, true);
  Point first;
  for (int round = 0; round < rounds; ++round) {
    Point found = options_.joint ? best_joint(random, of_good, of_bad, taken) : best_apart(random, of_good, of_bad);
    if (!options_.avoid_repeats || is_free(found, taken)) return found;
    if (round == 0) first = std::move(found);
  }
  return first;
}

// ramp: old trials weigh less.
Mixture Tpe::mixture(std::vector<Kernels>& tables, const std::vector<const Trial*>& trials, bool ramp) const {
  const size_t count = trials.size();
  std::vector<double> weights(count + 1, 1.0);
  if (ramp && count > young) {
    const size_t old = count - young;
    const double least = 1.0 / static_cast<double>(count);
    for (size_t i = 0; i < old; ++i)
      weights[i] = old == 1 ? least : least + (1.0 - least) * static_cast<double>(i) / static_cast<double>(old - 1);
  }
  std::vector<std::vector<const Kernel*>> kernels(parameters_.size());
  std::vector<int64_t> values(count);
  for (size_t d = 0; d < parameters_.size(); ++d) {
    for (size_t i = 0; i < count; ++i) values[i] = trials[i]->point[d];
    tables[d].of(values, kernels[d]);
  }
  return Mixture(tables, std::move(kernels), std::move(weights));
}

// The candidate of the good mixture with the largest ratio of both densities, untried ones first.
Tpe::Point Tpe::best_joint(Random& random, const Mixture& good, const Mixture& bad, const Seen& taken) const {
  const size_t width = parameters_.size();
  std::vector<int64_t> points(static_cast<size_t>(options_.candidates) * width);
  for (size_t c = 0; c * width < points.size(); ++c) good.draw(random, &points[c * width]);
  const std::vector<double> l = good.densities(points), g = bad.densities(points);
  Point best;
  double best_ratio = -1;
  bool best_free = false;
  for (size_t c = 0; c < l.size(); ++c) {
    const Point point(points.begin() + static_cast<std::ptrdiff_t>(c * width),
                      points.begin() + static_cast<std::ptrdiff_t>((c + 1) * width));
    const bool free = !options_.avoid_repeats || is_free(point, taken);
    const double ratio = l[c] / g[c];
    if (!best.empty() && (best_free != free ? best_free : !(ratio > best_ratio))) continue;
    best = point;
    best_ratio = ratio;
    best_free = free;
  }
  return best;
}

Tpe::Point Tpe::best_apart(Random& random, const Mixture& good, const Mixture& bad) const {
  Point point;
  for (size_t d = 0; d < parameters_.size(); ++d) {
    const std::vector<double> l = good.densities(d), g = bad.densities(d);
    int64_t best = -1;
    for (int64_t c = 0; c < options_.candidates; ++c) {
      const int64_t value = good.draw(random, d);
      const auto ratio = [&](int64_t v) { return l[static_cast<size_t>(v)] / g[static_cast<size_t>(v)]; };
      if (best < 0 || ratio(value) > ratio(best)) best = value;
    }
    point.push_back(best);
  }
  return point;
}

// By chance one that was not tried; in a small space that is nearly used up, the next one.
Tpe::Point Tpe::untried(Random& random, Point otherwise, const Seen& taken) const {
  if (static_cast<double>(seen_.size()) >= size_) return otherwise;
  for (int i = 0; i < random_tries; ++i) {
    Point point = uniform(random);
    if (is_free(point, taken)) return point;
  }
  if (size_ > small_space) return otherwise;
  Point point = uniform(random);
  for (double i = 0; i < size_; ++i) {
    if (is_free(point, taken)) return point;
    for (size_t d = 0; d < point.size() && ++point[d] == parameters_[d].length; ++d) point[d] = 0;
  }
  return otherwise;
}

}  // namespace chop::search
