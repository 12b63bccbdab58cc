// A test program in one header: TEST(name) { CHECK(condition); } registers and runs.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace chop::testing {

struct Test {
  const char* name;
  void (*body)();
};

std::vector<Test>& tests();
void report_failure(const char* file, int line, const std::string& what);

struct Registration {
  Registration(const char* name, void (*body)()) { tests().push_back({name, body}); }
};

// The message of the std::invalid_argument that `action` throws, or an empty string if it throws none.
inline std::string refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

template <class T>
bool same_bits(T a, T b) {
  return (a != a && b != b) || std::memcmp(&a, &b, sizeof a) == 0;  // any NaN stands for any other
}

// Index of the first element that differs in a bit, or -1.
template <class T>
int64_t first_difference(const std::vector<T>& a, const std::vector<T>& b) {
  if (a.size() != b.size()) return 0;
  for (size_t i = 0; i < a.size(); ++i)
    if (!same_bits(a[i], b[i])) return static_cast<int64_t>(i);
  return -1;
}

// The same numbers on every platform, which the standard library's distributions do not promise.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 2654435761u + 88172645463325252ull) {}

  uint64_t bits() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }
  int64_t below(int64_t n) { return static_cast<int64_t>(bits() % static_cast<uint64_t>(n)); }
  float uniform(float lo, float hi) { return lo + (hi - lo) * static_cast<float>(bits() >> 40) * 0x1p-24f; }

 private:
  uint64_t state_;
};

template <class... Parts>
std::string join(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return text.str();
}

}  // namespace chop::testing

#define TEST(name)                                                              \
  static void name();                                                           \
  static const ::chop::testing::Registration name##_registration{#name, &name}; \
  static void name()

// The message parts say which case failed.
#define CHECK(condition, ...)                                                                             \
  do {                                                                                                    \
    if (!(condition))                                                                                     \
      ::chop::testing::report_failure(__FILE__, __LINE__,                                                 \
                                      ::chop::testing::join(#condition, " " __VA_OPT__(, ) __VA_ARGS__)); \
  } while (false)

// `action` must throw std::invalid_argument with `part` in its message.
#define CHECK_REFUSED(part, ...)                                                                                   \
  do {                                                                                                             \
    const std::string message = ::chop::testing::refusal([&] { __VA_ARGS__; });                                    \
    if (!::chop::testing::contains(message, part) || message.empty())                                              \
      ::chop::testing::report_failure(                                                                             \
          __FILE__, __LINE__, ::chop::testing::join("expected a refusal with '", part, "', got '", message, "'")); \
  } while (false)
