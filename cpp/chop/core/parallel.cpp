#include "chop/core/parallel.h"

#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "chop/core/check.h"
#include "chop/core/fork.h"

namespace chop {

struct ThreadPool::State {
  const uint64_t born = fork_count();
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

  explicit State(int threads) {
    try {
      for (int i = 1; i < threads; ++i) workers.emplace_back([this] { loop(); });
    } catch (const std::system_error& refusal) {
      const size_t started = workers.size() + 1;
      finish();
      throw std::runtime_error("threads: the system gives " + std::to_string(started) + " of " +
                               std::to_string(threads) + " (" + refusal.code().message() + "); ask for fewer");
    } catch (...) {
      finish();
      throw;
    }
  }
  ~State() { finish(); }

  void finish() {
    {
      const std::lock_guard lock(mutex);
      stop = true;
    }
    wake.notify_all();
    for (std::thread& worker : workers) worker.join();
    workers.clear();
  }

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

void check_threads(int threads) { check(threads >= 1 && threads <= 1024, "threads must be 1..1024, got ", threads); }

ThreadPool::ThreadPool(int threads) : threads_(threads) {
  check_threads(threads);
  if (threads > 1) state_ = new State(threads);
}

ThreadPool::~ThreadPool() {
  State* s = state_.load();
  if (s && s->born == fork_count()) delete s;
}

// What was made before a fork is left alone: its threads are not here to be joined, its locks may be held by them.
ThreadPool::State& ThreadPool::state() const {
  State* s = state_.load(std::memory_order_acquire);
  if (s->born == fork_count()) return *s;
  auto fresh = std::make_unique<State>(threads_);
  return state_.compare_exchange_strong(s, fresh.get()) ? *fresh.release() : *s;
}

void ThreadPool::run(int64_t count, const std::function<void(int64_t)>& task) const {
  State* own = threads_ > 1 && count > 1 ? &state() : nullptr;
  if (!own || own->busy.exchange(true)) {
    for (int64_t i = 0; i < count; ++i) task(i);
    return;
  }
  State& s = *own;
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
