// The core's own thread pool: threads start once, and a call on one thread never touches it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace chop {

class ThreadPool {
 public:
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const;

  // Runs task(0) … task(count - 1), in any order, and returns when all are done. The first exception is rethrown.
  // A second caller, while the pool is busy, does its tasks itself.
  void run(int64_t count, const std::function<void(int64_t)>& task) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace chop
