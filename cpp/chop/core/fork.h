// Threads of a process that forks are gone in its child, and locks that they held would stay locked there.
#pragma once

#include <cstdint>
#include <mutex>

namespace chop {

// How often this process is the child of a fork since the core was loaded: what is made of threads belongs to one
// count.
uint64_t fork_count();

// A mutex that nobody holds at the moment of a fork, so that the child finds it free and what it guards in order. Who
// holds one waits for nothing that the forking thread could have, Python's lock above all, and makes or ends no other.
class ForkMutex {
 public:
  ForkMutex();
  ~ForkMutex();
  ForkMutex(const ForkMutex&) = delete;
  ForkMutex& operator=(const ForkMutex&) = delete;

  void lock() { mutex_.lock(); }
  bool try_lock() { return mutex_.try_lock(); }
  void unlock() { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

}  // namespace chop
