#include "chop/core/fork.h"

#include <atomic>
#include <unordered_set>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace chop {
namespace {

std::atomic<uint64_t> forks{0};

struct Living {
  std::mutex mutex;
  std::unordered_set<ForkMutex*> mutexes;
};

void hold_all();
void let_go();

// Never destroyed: mutexes may outlive every static object.
Living& living() {
  static Living& all = []() -> Living& {
#if defined(__unix__) || defined(__APPLE__)
    pthread_atfork(hold_all, let_go, [] {
      ++forks;
      let_go();
    });
#endif
    return *new Living;
  }();
  return all;
}

void hold_all() {
  living().mutex.lock();
  for (ForkMutex* mutex : living().mutexes) mutex->lock();
}

void let_go() {
  for (ForkMutex* mutex : living().mutexes) mutex->unlock();
  living().mutex.unlock();
}

}  // namespace

uint64_t fork_count() {
  living();  // from the first question on, forks are counted
  return forks.load(std::memory_order_relaxed);
}

ForkMutex::ForkMutex() {
  const std::lock_guard lock(living().mutex);
  living().mutexes.insert(this);
}

ForkMutex::~ForkMutex() {
  const std::lock_guard lock(living().mutex);
  living().mutexes.erase(this);
}

}  // namespace chop
