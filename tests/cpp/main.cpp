#include <cstdio>
#include <exception>

#include "test.h"

namespace chop::testing {
namespace {

int failures = 0;

bool run(const Test& test) {
  const int before = failures;
  try {
    test.body();
  } catch (const std::exception& error) {
    report_failure(test.name, 0, join("threw ", error.what()));
  }
  std::printf("%s %s\n", failures == before ? "ok    " : "FAILED", test.name);
  return failures == before;
}

}  // namespace

std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}

void report_failure(const char* file, int line, const std::string& what) {
  ++failures;
  if (failures <= 50) std::fprintf(stderr, "%s:%d: %s\n", file, line, what.c_str());
}

}  // namespace chop::testing

// With an argument: only the tests whose name contains it.
int main(int argc, char** argv) {
  using namespace chop::testing;
  int ran = 0, passed = 0;
  for (const Test& test : tests()) {
    if (argc > 1 && !contains(test.name, argv[1])) continue;
    ++ran;
    passed += run(test);
  }
  std::printf("%d of %d tests passed\n", passed, ran);
  return ran > 0 && passed == ran ? 0 : 1;
}
