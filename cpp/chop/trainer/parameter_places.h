// Where the parameters of nodes lie in the row of all of them.
#pragma once

#include <cstdint>
#include <vector>

#include "chop/ir/graph.h"
#include "chop/trainer/specification.h"

namespace chop::trainer {

class ParameterPlaces {
 public:
  // Throws std::invalid_argument where the specification's sizes are out of range.
  explicit ParameterPlaces(const Specification& specification);

  // The place of a node's parameter, -1 if it has none. Throws std::invalid_argument that names the node.
  int64_t of(const ir::Node& node, const char* name) const;
  int64_t of(int number) const { return places_[static_cast<size_t>(number)]; }
  int64_t end() const { return places_.back(); }

 private:
  const Specification& spec_;
  std::vector<int64_t> places_{0};  // and the end
};

}  // namespace chop::trainer
