#include "chop/search/space.h"

#include <algorithm>

#include "chop/core/check.h"

namespace chop::search {
namespace {

constexpr int64_t kMost = int64_t{1} << 62;

}  // namespace

Space::Space(std::vector<std::vector<Choice>> groups) : groups_(std::move(groups)) {
  for (const auto& group : groups_) {
    check(!group.empty(), "sweep: a group of the space has no choice");
    const auto choices = static_cast<int64_t>(group.size());
    check(size_ <= kMost / choices, "sweep: the space has more than 2^62 configurations");
    size_ *= choices;
  }
}

void Space::check_range(int64_t first, int64_t count) const {
  check(first >= 0 && count >= 0 && first <= size_ - count, "sweep: there are ", size_, " configurations, not ", count,
        " from ", first, " on");
}

template <class Visit>
void Space::visit(int64_t number, Visit visit) const {
  check(number >= 0 && number < size_, "sweep: configuration ", number, " of ", size_);
  int64_t weight = size_;
  for (const auto& group : groups_) {
    weight /= static_cast<int64_t>(group.size());
    visit(group[static_cast<size_t>(number / weight)]);
    number %= weight;
  }
}

evaluator::Config Space::config(int64_t number) const {
  evaluator::Config config;
  visit(number,
        [&](const Choice& choice) { config.insert(config.end(), choice.formats.begin(), choice.formats.end()); });
  return config;
}

void Space::costs(const cost::Costs& models, int64_t first, int64_t count, double* totals) const {
  check_range(first, count);
  for (int64_t i = 0; i < count; ++i) {
    cost::Config config;
    visit(first + i, [&](const Choice& choice) {
      for (const cost::NodeWidths& widths : choice.widths) config.push_back(&widths);
    });
    const std::vector<double> found = models.totals(config);
    totals = std::copy(found.begin(), found.end(), totals);
  }
}

}  // namespace chop::search
