// The C++ twin of chop.registry.Registry: members announce themselves from their own file, under a name.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "chop/core/check.h"

namespace chop {

template <class Member>
class Registry {
 public:
  explicit Registry(std::string kind) : kind_(std::move(kind)) {}

  bool add(const std::string& name, Member member) {
    check(members_.emplace(name, std::move(member)).second, kind_, " '", name, "' is already registered");
    return true;
  }

  const Member& get(const std::string& name) const {
    const auto found = members_.find(name);
    if (found == members_.end()) fail(kind_, " '", name, "' is not known; known: ", names());
    return found->second;
  }

  const std::map<std::string, Member>& members() const { return members_; }

 private:
  std::string names() const {
    std::string text;
    for (const auto& entry : members_) text += (text.empty() ? "" : ", ") + entry.first;
    return text.empty() ? "none" : text;
  }

  std::string kind_;
  std::map<std::string, Member> members_;
};

}  // namespace chop
