// Source: Baskin et al., UNIQ, 2018 (arXiv 1804.10969), as hls4ml's studies of jet tagging use it.
#include <cmath>

#include "chop/cost/model.h"

namespace chop::cost {
namespace {

double bops(const Operation& o, const Widths& w) {
  if (o.macs == 0) return 0;
  return o.macs * (w.data_in * w.weight + w.data_in + w.weight + std::log2(o.window));
}

[[maybe_unused]] const bool registered = registry().add(
    "bops", {"BOPs",
             "for each multiply-accumulate of an output of k terms, with inputs of a and weights of w bits: "
             "a w + a + w + log2 k (Baskin et al. 2018; float: 32 bits)",
             nothing, for_products(bops)});

}  // namespace
}  // namespace chop::cost
