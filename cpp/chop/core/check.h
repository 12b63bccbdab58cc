// Bad input becomes std::invalid_argument with one sentence; pybind11 and torch turn it into ValueError.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace chop {

template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  throw std::invalid_argument(text.str());
}

template <class... Parts>
void check(bool ok, const Parts&... parts) {
  if (!ok) fail(parts...);
}

}  // namespace chop
