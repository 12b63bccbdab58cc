// Memory for numbers that will be written once and read in order: not filled, and in large pages where it can be.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace chop {

inline constexpr std::size_t kLargePage = std::size_t{2} << 20;

struct FreeLargeArray {
  bool aligned = false;
  void operator()(void* memory) const {
    // Not a conditional expression: clang 14 then calls both.
    if (aligned) {
      ::operator delete (memory, std::align_val_t{kLargePage});
    } else {
      ::operator delete(memory);
    }
  }
};

template <class T>
using LargeArray = std::unique_ptr<T[], FreeLargeArray>;

// Asks for large pages where so much memory lies that it matters.
inline void advise_large_pages([[maybe_unused]] void* memory, [[maybe_unused]] std::size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  const auto first = (reinterpret_cast<std::uintptr_t>(memory) + kLargePage - 1) / kLargePage * kLargePage;
  const auto last = (reinterpret_cast<std::uintptr_t>(memory) + bytes) / kLargePage * kLargePage;
  // Advice: nothing is lost where it is not taken.
  if (first < last) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#endif
}

// The first touch of each small page costs more than writing it; a large page is 512 of them.
template <class T>
LargeArray<T> make_large_array(int64_t n) {
  static_assert(std::is_trivial_v<T>);
  const std::size_t bytes = static_cast<std::size_t>(n) * sizeof(T);
  if (bytes < kLargePage) return {static_cast<T*>(::operator new(bytes)), {false}};
  void* memory = ::operator new (bytes, std::align_val_t{kLargePage});
  advise_large_pages(memory, bytes);
  return {static_cast<T*>(memory), {true}};
}

}  // namespace chop
