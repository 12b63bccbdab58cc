// Python's lock, let go and taken by threads that may still run when the interpreter ends.
#pragma once

#include <pybind11/pybind11.h>

#include <chrono>
#include <optional>
#include <thread>

#if defined(__GLIBCXX__)
#include <cxxabi.h>
#endif

namespace chop::bindings {

// An interpreter that ends unwinds a thread that asks for its lock, and C++ that may not be left ends the process in
// turn. Such a thread waits here for the end instead, as Python 3.14 has it. No object stands behind the reference to a
// forced unwind.
template <class Take>
__attribute__((no_sanitize("null"))) void take_gil(const Take& take) {
#if defined(__GLIBCXX__)
  try {
    take();
  } catch (abi::__forced_unwind&) {
    for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
  }
#else
  take();
#endif
}

class WithoutGil {
 public:
  WithoutGil() : state_(PyEval_SaveThread()) {}
  ~WithoutGil() {
    take_gil([this] { PyEval_RestoreThread(state_); });
  }
  WithoutGil(const WithoutGil&) = delete;
  WithoutGil& operator=(const WithoutGil&) = delete;

 private:
  PyThreadState* state_;
};

// A getter that waits for a lock of ours without Python's.
template <class T, class Result>
auto unlocked(Result (T::*getter)() const) {
  return [getter](const T& self) {
    const WithoutGil release;
    return (self.*getter)();
  };
}

class WithGil {
 public:
  WithGil() {
    take_gil([this] { held_.emplace(); });
  }

 private:
  std::optional<pybind11::gil_scoped_acquire> held_;
};

}  // namespace chop::bindings
