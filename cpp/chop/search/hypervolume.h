// Volumes that results dominate, all objectives smaller is better.
#pragma once

#include <cstdint>
#include <vector>

namespace chop::search {

// Volume between `point` and `reference` that none of `others` dominates; 0 where the point is not better than the
// reference everywhere. While et al., "A fast way of calculating exact hypervolumes" (2012).
double own_volume(const double* point, const std::vector<const double*>& others, const double* reference,
                  int objectives);

// The `wanted` rows of values [count][objectives] that dominate most together, chosen one after the other (Guerreiro et
// al., "Greedy hypervolume subset selection in low dimensions", 2016); equal rows only when no other is left. Positions
// in the order of choice; at most `count` of them.
std::vector<int64_t> greedy_subset(const double* values, int64_t count, int objectives, const double* reference,
                                   int64_t wanted);

}  // namespace chop::search
