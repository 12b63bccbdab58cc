// The core's own thread pool: threads start once, and a call on one thread never touches it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

namespace chop {

// Throws std::invalid_argument on a number of threads that no pool has.
void check_threads(int threads);

class ThreadPool {
 public:
  // Throws std::runtime_error where the system refuses one of the threads.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_; }

  // Runs task(0) … task(count - 1), in any order, and returns when all are done. The first exception is rethrown.
  // A second caller, while the pool is busy, does its tasks itself. In the child of a fork the threads start anew.
  void run(int64_t count, const std::function<void(int64_t)>& task) const;

 private:
  struct State;
  State& state() const;

  const int threads_;
  mutable std::atomic<State*> state_{nullptr};
};

}  // namespace chop
