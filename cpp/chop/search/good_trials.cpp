#include "chop/search/good_trials.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "chop/search/hypervolume.h"
#include "chop/search/pareto.h"

namespace chop::search {
namespace {

std::vector<double> table(const std::vector<const Trial*>& trials) {
  std::vector<double> values;
  for (const Trial* trial : trials) values.insert(values.end(), trial->values.begin(), trial->values.end());
  return values;
}

template <class Before>
void insert(std::vector<const Trial*>& sorted, const Trial* trial, Before before) {
  sorted.insert(std::upper_bound(sorted.begin(), sorted.end(), trial, before), trial);
}

}  // namespace

void Ranking::add(const Trial* trial) {
  if (trial->violation > 0) {
    insert(infeasible_, trial, [](const Trial* a, const Trial* b) {
      return std::pair(a->violation, a->number) < std::pair(b->violation, b->number);
    });
    return;
  }
  insert(feasible_, trial, [](const Trial* a, const Trial* b) {
    return a->values != b->values ? a->values < b->values : a->number < b->number;
  });
}

std::vector<const Trial*> Ranking::best(size_t count) const {
  std::vector<const Trial*> found;
  std::vector<const Trial*> left(feasible_);
  while (found.size() < count && !left.empty()) {
    std::vector<const Trial*> rank = objectives_ == 1 ? left : front_of(left);
    const size_t room = count - found.size();
    if (objectives_ == 1) {
      rank.resize(std::min(rank.size(), room));
      left.clear();
    } else if (rank.size() > room) {
      rank = spread(rank, room);
    }
    found.insert(found.end(), rank.begin(), rank.end());
  }
  const size_t room = std::min(count - found.size(), infeasible_.size());
  found.insert(found.end(), infeasible_.begin(), infeasible_.begin() + static_cast<std::ptrdiff_t>(room));
  return found;
}

// Takes the trials that no other one dominates off the list.
std::vector<const Trial*> Ranking::front_of(std::vector<const Trial*>& left) const {
  std::vector<const Trial*> rank, others;
  if (objectives_ == 2) {
    // In lexicographic order one is dominated where an earlier one is as good in the second objective.
    double least = std::numeric_limits<double>::infinity();
    const std::vector<double>* last = nullptr;
    for (const Trial* trial : left) {
      const bool equal = last != nullptr && trial->values == *last;
      const bool inside = equal || last == nullptr || trial->values[1] < least;
      (inside ? rank : others).push_back(trial);
      if (inside) {
        least = trial->values[1];
        last = &trial->values;
      }
    }
  } else {
    const std::vector<double> values = table(left);
    size_t next = 0;
    for (const int64_t i : pareto_front(values.data(), static_cast<int64_t>(left.size()), objectives_)) {
      const auto at = static_cast<size_t>(i);
      others.insert(others.end(), left.begin() + static_cast<std::ptrdiff_t>(next), left.begin() + i);
      rank.push_back(left[at]);
      next = at + 1;
    }
    others.insert(others.end(), left.begin() + static_cast<std::ptrdiff_t>(next), left.end());
  }
  left.swap(others);
  return rank;
}

std::vector<const Trial*> Ranking::spread(const std::vector<const Trial*>& rank, size_t count) const {
  std::vector<double> values = table(rank), reference(static_cast<size_t>(objectives_));
  bool finite = true;
  for (size_t k = 0; k < reference.size(); ++k) {
    double worst = -std::numeric_limits<double>::infinity();
    for (const Trial* trial : rank) worst = std::max(worst, trial->values[k]);
    reference[k] = std::max(1.1 * worst, 0.9 * worst);
    if (reference[k] == 0) reference[k] = 1e-12;
    finite = finite && std::isfinite(reference[k]);
  }
  std::vector<const Trial*> found;
  if (!finite) {
    found.assign(rank.begin(), rank.begin() + static_cast<std::ptrdiff_t>(count));
    return found;
  }
  for (const int64_t i : greedy_subset(values.data(), static_cast<int64_t>(rank.size()), objectives_, reference.data(),
                                       static_cast<int64_t>(count)))
    found.push_back(rank[static_cast<size_t>(i)]);
  return found;
}

}  // namespace chop::search
