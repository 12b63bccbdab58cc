// Source: Baskin et al., UNIQ, 2018 (arXiv 1804.10969), as hls4ml's studies of jet tagging use it.
#include <cmath>

#include "chop/cost/model.h"

namespace chop::cost {
namespace {

double bops(const Operation& o, const Widths& w) {
  const double a = w.data_in.width, b = w.weight.width;
  double bits = 0;
  for (const Product& p : o.products)
    if (p.macs != 0) bits += p.macs * (a * b + a + b + std::log2(p.macs / p.outputs));
  return bits;
}

[[maybe_unused]] const bool registered = registry().add(
    "bops", {"BOPs",
             "for each multiply-accumulate of an output of k terms, with inputs of a and weights of w bits: "
             "a w + a + w + log2 k (Baskin et al. 2018; float: 32 bits; of a transposed convolution k is the mean)",
             bops});

}  // namespace
}  // namespace chop::cost
