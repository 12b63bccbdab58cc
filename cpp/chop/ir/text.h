// The readable form of a graph. print(parse(text)) == text, and parse(print(graph)) == graph.
//
//   chop.graph 1
//   x = input() : ?x16
//   fc = linear(x) [weight 5x16 #9f86d081884c7d65, bias 5 #…] : ?x5
//   act = softmax(fc) {dim = -1} : ?x5
//   sum = mean(act) {dims = [1], keepdim = 0} : ?
//   return sum
#pragma once

#include <string>

#include "chop/ir/graph.h"

namespace chop::ir {

std::string print(const Graph& graph);

// Throws std::invalid_argument with the line number.
Graph parse(const std::string& text);

}  // namespace chop::ir
