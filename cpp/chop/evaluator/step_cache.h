// Things found again by the numbers that they were made from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

namespace chop::evaluator {

using Key = std::vector<int64_t>;

struct KeyHash {
  size_t operator()(const Key& key) const {
    uint64_t hash = 14695981039346656037u;
    for (const int64_t part : key) hash = (hash ^ static_cast<uint64_t>(part)) * 1099511628211u;
    return static_cast<size_t>(hash ^ (hash >> 32));
  }
};

template <class Thing>
class StepCache {
 public:
  explicit StepCache(size_t most_bytes) : most_bytes_(most_bytes) {}

  // make: () -> std::shared_ptr<const Thing>; bytes: (const Thing&) -> size_t. All is forgotten when it grows too
  // large.
  template <class Make, class Bytes>
  std::shared_ptr<const Thing> get(const Key& key, Make make, Bytes bytes) {
    if (const auto found = things_.find(key); found != things_.end()) return found->second;
    std::shared_ptr<const Thing> thing = make();
    bytes_ += bytes(*thing) + key.size() * sizeof(int64_t) + 64;
    if (bytes_ > most_bytes_) things_.clear(), bytes_ = 0;
    return things_.emplace(key, std::move(thing)).first->second;
  }

 private:
  size_t most_bytes_, bytes_ = 0;
  std::unordered_map<Key, std::shared_ptr<const Thing>, KeyHash> things_;
};

}  // namespace chop::evaluator
