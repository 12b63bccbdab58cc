#include "chop/core/parallel.h"

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "chop/core/check.h"

namespace chop {

struct ThreadPool::State {
  std::vector<std::thread> workers;
  std::atomic<bool> busy{false};  // one job at a time
  std::mutex mutex;
  std::condition_variable wake, done;
  const std::function<void(int64_t)>* task = nullptr;
  std::atomic<int64_t> next{0};
  int64_t count = 0;
  int running = 0;
  uint64_t job = 0;
  bool stop = false;
  std::exception_ptr error;

  void work() {
    try {
      for (int64_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) (*task)(i);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
      next.store(count);
    }
  }

  void loop() {
    uint64_t seen = 0;
    std::unique_lock lock(mutex);
    for (;;) {
      wake.wait(lock, [&] { return stop || job != seen; });
      if (stop) return;
      seen = job;
      lock.unlock();
      work();
      lock.lock();
      if (--running == 0) done.notify_one();
    }
  }
};

ThreadPool::ThreadPool(int threads) : state_(std::make_unique<State>()) {
  check(threads >= 1 && threads <= 1024, "threads must be 1..1024, got ", threads);
  for (int i = 1; i < threads; ++i) state_->workers.emplace_back([s = state_.get()] { s->loop(); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->wake.notify_all();
  for (std::thread& worker : state_->workers) worker.join();
}

int ThreadPool::threads() const { return static_cast<int>(state_->workers.size()) + 1; }

void ThreadPool::run(int64_t count, const std::function<void(int64_t)>& task) const {
  State& s = *state_;
  if (s.workers.empty() || count < 2 || s.busy.exchange(true)) {
    for (int64_t i = 0; i < count; ++i) task(i);
    return;
  }
  {
    const std::lock_guard lock(s.mutex);
    s.task = &task;
    s.count = count;
    s.next.store(0);
    s.running = static_cast<int>(s.workers.size());
    s.error = nullptr;
    ++s.job;
  }
  s.wake.notify_all();
  s.work();
  std::unique_lock lock(s.mutex);
  s.done.wait(lock, [&] { return s.running == 0; });
  s.task = nullptr;
  const std::exception_ptr error = std::exchange(s.error, nullptr);
  lock.unlock();
  s.busy.store(false);
  if (error) std::rethrow_exception(error);
}

}  // namespace chop
