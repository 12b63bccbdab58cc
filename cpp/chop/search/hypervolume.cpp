#include "chop/search/hypervolume.h"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "chop/search/pareto.h"

namespace chop::search {
namespace {

using Points = std::vector<double>;  // [count][objectives]

double box(const double* point, const double* reference, int objectives) {
  double volume = 1;
  for (int k = 0; k < objectives; ++k) volume *= std::max(0.0, reference[k] - point[k]);
  return volume;
}

// Of points none of which dominates another, in ascending order of the first objective.
double union_of_two(const Points& points, const double* reference) {
  double volume = 0, ceiling = reference[1];
  for (size_t i = 0; i < points.size(); i += 2) {
    if (points[i + 1] >= ceiling) continue;
    volume += std::max(0.0, reference[0] - points[i]) * (ceiling - points[i + 1]);
    ceiling = points[i + 1];
  }
  return volume;
}

double union_of(const Points& points, const double* reference, int objectives);

double own(const double* point, const double* others, size_t count, const double* reference, int objectives) {
  const double all = box(point, reference, objectives);
  if (count == 0 || all == 0) return all;
  // What the others dominate of this box is what their projections into it dominate.
  Points inside(others, others + count * static_cast<size_t>(objectives));
  for (size_t i = 0; i < inside.size(); ++i)
    inside[i] = std::max(inside[i], point[i % static_cast<size_t>(objectives)]);
  return std::max(0.0, all - union_of(inside, reference, objectives));
}

double union_of(const Points& points, const double* reference, int objectives) {
  const auto width = static_cast<size_t>(objectives);
  std::vector<int64_t> front = pareto_front(points.data(), static_cast<int64_t>(points.size() / width), objectives);
  std::sort(front.begin(), front.end(), [&](int64_t a, int64_t b) {
    const double *left = &points[static_cast<size_t>(a) * width], *right = &points[static_cast<size_t>(b) * width];
    return std::lexicographical_compare(left, left + width, right, right + width);
  });
  Points sorted;
  for (const int64_t i : front) {
    const double* row = &points[static_cast<size_t>(i) * width];
    if (sorted.empty() || !std::equal(row, row + width, sorted.end() - static_cast<std::ptrdiff_t>(width)))
      sorted.insert(sorted.end(), row, row + width);
  }
  if (objectives == 2) return union_of_two(sorted, reference);
  double volume = 0;
  for (size_t i = 0; i < sorted.size() / width; ++i)
    volume += own(&sorted[i * width], sorted.data(), i, reference, objectives);
  return volume;
}

}  // namespace

double own_volume(const double* point, const std::vector<const double*>& others, const double* reference,
                  int objectives) {
  Points rows;
  for (const double* other : others) rows.insert(rows.end(), other, other + objectives);
  return own(point, rows.data(), others.size(), reference, objectives);
}

std::vector<int64_t> greedy_subset(const double* values, int64_t count, int objectives, const double* reference,
                                   int64_t wanted) {
  std::map<std::vector<double>, int64_t> first;
  std::vector<int64_t> repeats, chosen;
  for (int64_t i = 0; i < count; ++i) {
    const double* row = values + i * objectives;
    if (!first.emplace(std::vector<double>(row, row + objectives), i).second) repeats.push_back(i);
  }
  struct Candidate {
    int64_t position;
    double most;      // no more than this can it add: what it added to a smaller set
    size_t known_at;  // how many were chosen then
  };
  std::vector<Candidate> left;
  for (const auto& [row, position] : first) left.push_back({position, box(row.data(), reference, objectives), 0});
  std::vector<const double*> taken;
  while (static_cast<int64_t>(chosen.size()) < wanted && !left.empty()) {
    auto best = std::max_element(left.begin(), left.end(), [](auto& a, auto& b) { return a.most < b.most; });
    if (best->known_at != chosen.size()) {
      best->most = std::min(best->most, own_volume(values + best->position * objectives, taken, reference, objectives));
      best->known_at = chosen.size();
      continue;
    }
    chosen.push_back(best->position);
    taken.push_back(values + best->position * objectives);
    left.erase(best);
  }
  for (size_t i = 0; i < repeats.size() && static_cast<int64_t>(chosen.size()) < wanted; ++i)
    chosen.push_back(repeats[i]);
  return chosen;
}

}  // namespace chop::search
