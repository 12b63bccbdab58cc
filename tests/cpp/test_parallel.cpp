// The thread pool: every task once, exceptions, reuse, a second caller, the child of a fork.
#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

#if defined(__unix__)
#include <sys/wait.h>
#include <unistd.h>
#endif

#include "chop/core/fork.h"
#include "chop/core/parallel.h"
#include "test.h"

namespace chop {
namespace {

using namespace testing;

std::vector<int> visits(const ThreadPool& pool, int64_t count) {
  std::vector<std::atomic<int>> seen(static_cast<size_t>(count));
  pool.run(count, [&](int64_t i) { ++seen[static_cast<size_t>(i)]; });
  return {seen.begin(), seen.end()};
}

TEST(pool_runs_each_task_once) {
  for (const int threads : {1, 2, 3, 4, 16}) {
    const ThreadPool pool(threads);
    CHECK(pool.threads() == threads);
    for (const int64_t count : {0, 1, 2, 3, 4, 5, 17, 1000}) {
      const std::vector<int> seen = visits(pool, count);
      CHECK(std::all_of(seen.begin(), seen.end(), [](int n) { return n == 1; }), threads, " threads, ", count);
    }
  }
}

TEST(pool_rethrows_and_stays_usable) {
  for (const int threads : {1, 2, 4}) {
    const ThreadPool pool(threads);
    for (int round = 0; round < 50; ++round) {
      std::string message;
      try {
        pool.run(100, [&](int64_t i) {
          if (i == round || i == 99 - round) throw std::runtime_error("task");
        });
      } catch (const std::runtime_error& error) {
        message = error.what();
      }
      CHECK(message == "task", threads, " threads, round ", round);
      const std::vector<int> seen = visits(pool, 40);
      CHECK(std::count(seen.begin(), seen.end(), 1) == 40, threads, " threads, round ", round);
    }
  }
}

TEST(pool_serves_a_second_caller) {
  const ThreadPool pool(3);
  std::atomic<int64_t> sum{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c)
    callers.emplace_back([&] {
      for (int round = 0; round < 100; ++round) pool.run(10, [&](int64_t i) { sum += i; });
    });
  for (std::thread& caller : callers) caller.join();
  CHECK(sum == 4 * 100 * 45);
}

TEST(pool_serves_a_task_that_calls_it) {
  const ThreadPool pool(4);
  std::atomic<int64_t> sum{0};
  pool.run(8, [&](int64_t) { pool.run(10, [&](int64_t i) { sum += i; }); });
  CHECK(sum == 8 * 45);
}

// The sanitizer of threads allows none in such a child.
#if defined(__unix__) && !defined(__SANITIZE_THREAD__)
int exit_code_of_child(const std::function<bool()>& work) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    _exit(work() ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return status;
}

TEST(pool_works_in_the_child_of_a_fork) {
  const ThreadPool pool(3);
  const auto works = [&] {
    const std::vector<int> seen = visits(pool, 100);
    return std::count(seen.begin(), seen.end(), 1) == 100;
  };
  CHECK(works());
  const uint64_t before = fork_count();
  CHECK(exit_code_of_child([&] { return works() && fork_count() == before + 1 && exit_code_of_child(works) == 0; }) ==
        0);
  CHECK(works() && fork_count() == before);
}

TEST(a_fork_finds_no_mutex_held) {
  ForkMutex mutex;
  std::atomic<bool> over{false};
  int guarded = 0;
  std::thread other([&] {
    while (!over) {
      const std::lock_guard lock(mutex);
      ++guarded;
      std::this_thread::yield();
      ++guarded;
    }
  });
  for (int i = 0; i < 20; ++i)
    CHECK(exit_code_of_child([&] {
            const std::lock_guard lock(mutex);
            return guarded % 2 == 0;
          }) == 0);
  over = true;
  other.join();
}
#endif

TEST(pool_refuses_silly_sizes) {
  for (const int threads : {0, -1, 1025}) CHECK_REFUSED("threads must be 1..1024", ThreadPool pool(threads));
}

}  // namespace
}  // namespace chop
