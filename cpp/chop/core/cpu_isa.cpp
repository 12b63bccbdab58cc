#include "chop/core/cpu_isa.h"

#include <algorithm>
#include <cstdlib>

#include "chop/core/check.h"

#ifdef CHOP_HAS_amx
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace chop {
namespace {

#ifdef CHOP_HAS_amx
// Tiles need the processor (leaf 7), the system's consent to save them (XCR0), and this process' request for them.
bool has_tiles() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kTiles = 1u << 24 | 1u << 25, kSaved = 1u << 27;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & kTiles) != kTiles) return false;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & kSaved)) return false;
  unsigned low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  constexpr unsigned kTileState = 1u << 17 | 1u << 18;
  if ((low & kTileState) != kTileState) return false;
  constexpr long kRequest = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM
  return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
}
#endif

}  // namespace

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::amx: return "amx";
    case Isa::avx512: return "avx512";
    case Isa::avx2: return "avx2";
    case Isa::baseline: break;
  }
  return "baseline";
}

std::vector<Isa> available_isas() {
  std::vector<Isa> isas{Isa::baseline};
#ifdef CHOP_HAS_avx2
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) isas.push_back(Isa::avx2);
  if (isas.back() == Isa::avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni"))
    isas.push_back(Isa::avx512);
#endif
#ifdef CHOP_HAS_amx
  static const bool tiles = has_tiles();
  if (tiles && isas.back() == Isa::avx512) isas.push_back(Isa::amx);
#endif
  return isas;
}

Isa choose_isa(const std::string& forced) {
  const std::vector<Isa> available = available_isas();
  if (forced.empty()) return available.back();
  for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512, Isa::amx}) {
    if (forced != isa_name(isa)) continue;
    check(std::find(available.begin(), available.end(), isa) != available.end(), "CHOP_CPU_ISA=", forced,
          ": this processor or this build lacks it");
    return isa;
  }
  fail("CHOP_CPU_ISA must be baseline, avx2, avx512 or amx, got '", forced, "'");
}

Isa active_isa() {
  static const Isa isa = [] {
    const char* forced = std::getenv("CHOP_CPU_ISA");
    return choose_isa(forced ? forced : "");
  }();
  return isa;
}

}  // namespace chop
