// The exact Pareto front of many results.
#pragma once

#include <cstdint>
#include <vector>

namespace chop::search {

// values: [count][objectives], all of them better when they are smaller. Positions, ascending, of the rows that no
// other row dominates (is nowhere worse and somewhere better). Equal rows are in the front together; a row with a NaN
// never is, and dominates nothing.
std::vector<int64_t> pareto_front(const double* values, int64_t count, int objectives);

// Whether a is nowhere worse than b and somewhere better.
bool dominates(const double* a, const double* b, int objectives);

}  // namespace chop::search
