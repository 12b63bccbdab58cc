#include "chop/search/pareto.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "chop/core/check.h"

namespace chop::search {
namespace {

// Rows come in lexicographic order, so that one is dominated only by those before it.

// One objective beside the one that the order is by: the least so far decides.
class Least {
 public:
  explicit Least(int /*objectives*/) {}
  bool dominated(const double* row) const { return least_ && *least_ <= row[1]; }
  void add(const double* row) { least_ = row[1]; }

 private:
  std::optional<double> least_;
};

// Two of them: stairs that go down in the third while the second rises.
class Stairs {
 public:
  explicit Stairs(int /*objectives*/) {}
  bool dominated(const double* row) const {
    const auto after = steps_.upper_bound(row[1]);
    return after != steps_.begin() && std::prev(after)->second <= row[2];
  }
  void add(const double* row) {
    auto at = steps_.insert_or_assign(row[1], row[2]).first;
    for (++at; at != steps_.end() && at->second >= row[2];) at = steps_.erase(at);
  }

 private:
  std::map<double, double> steps_;
};

class Everyone {
 public:
  explicit Everyone(int objectives) : objectives_(objectives) {}
  bool dominated(const double* row) const {
    return std::any_of(rows_.begin(), rows_.end(), [&](const double* a) { return dominates(a, row, objectives_); });
  }
  void add(const double* row) { rows_.push_back(row); }

 private:
  int objectives_;
  std::vector<const double*> rows_;
};

template <class Front>
std::vector<int64_t> walk(const double* values, const std::vector<int64_t>& order, int objectives) {
  Front front(objectives);
  std::vector<int64_t> found;
  for (size_t i = 0; i < order.size();) {
    const double* row = values + order[i] * objectives;
    const bool in_front = !front.dominated(row);
    if (in_front) front.add(row);
    // Equal rows share the verdict.
    do {
      if (in_front) found.push_back(order[i]);
      ++i;
    } while (i < order.size() && std::equal(row, row + objectives, values + order[i] * objectives));
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

bool dominates(const double* a, const double* b, int objectives) {
  bool better = false;
  for (int k = 0; k < objectives; ++k) {
    if (!(a[k] <= b[k])) return false;
    better = better || a[k] < b[k];
  }
  return better;
}

std::vector<int64_t> pareto_front(const double* values, int64_t count, int objectives) {
  check(objectives >= 1, "pareto: there must be at least one objective, got ", objectives);
  std::vector<int64_t> order;
  for (int64_t i = 0; i < count; ++i) {
    const double* row = values + i * objectives;
    if (std::none_of(row, row + objectives, [](double v) { return std::isnan(v); })) order.push_back(i);
  }
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    const double *left = values + a * objectives, *right = values + b * objectives;
    const auto [l, r] = std::mismatch(left, left + objectives, right);
    return l == left + objectives ? a < b : *l < *r;
  });
  if (objectives == 2) return walk<Least>(values, order, 2);
  if (objectives == 3) return walk<Stairs>(values, order, 3);
  return walk<Everyone>(values, order, objectives);
}

}  // namespace chop::search
