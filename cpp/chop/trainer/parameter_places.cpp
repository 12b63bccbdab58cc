#include "chop/trainer/parameter_places.h"

#include <string>

#include "chop/core/check.h"
#include "chop/trainer/unary.h"

namespace chop::trainer {
namespace {

constexpr int64_t kMostNumbers = int64_t{1} << 28;

}  // namespace

ParameterPlaces::ParameterPlaces(const Specification& specification) : spec_(specification) {
  for (const int64_t size : spec_.sizes) {
    check(size >= 0 && size <= kMostNumbers - places_.back(),
          "training: the sizes of parameters must be 0 or more and ", kMostNumbers, " at most together, got ", size);
    places_.push_back(places_.back() + size);
  }
  int64_t channels = 0;
  for (const int count : spec_.running) {
    check(count >= 0 && count <= kMostNumbers - channels,
          "training: the channels of running statistics must be 0 or more and ", kMostNumbers,
          " at most together, got ", count);
    channels += count;
  }
  check(spec_.trained >= 0 && static_cast<size_t>(spec_.trained) <= spec_.sizes.size(), "training: there are ",
        spec_.sizes.size(), " parameters, and ", spec_.trained, " of them to be trained");
}

int64_t ParameterPlaces::of(const ir::Node& node, const char* name) const {
  const ir::Parameter* of_node = node.parameter(name);
  if (!of_node) return -1;
  const auto spec = spec_.nodes.find(node.name);
  if (spec == spec_.nodes.end() || !spec->second.parameters.count(name))
    refuse(node, std::string("has a ") + name + " that is no parameter");
  const auto number = static_cast<size_t>(spec->second.parameters.at(name));
  int64_t size = 1;
  for (const int64_t s : of_node->shape)
    if (__builtin_mul_overflow(size, s, &size)) refuse(node, std::string("has too many numbers in its ") + name);
  check(number < spec_.sizes.size() && spec_.sizes[number] == size, "training: the ", name, " of node ", node.name,
        " has another size than its parameter");
  return places_[number];
}

}  // namespace chop::trainer
