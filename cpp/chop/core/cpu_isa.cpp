#include "chop/core/cpu_isa.h"

#include <algorithm>
#include <cstdlib>

#include "chop/core/check.h"

namespace chop {

const char* isa_name(Isa isa) {
  switch (isa) {
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
  return isas;
}

Isa choose_isa(const std::string& forced) {
  const std::vector<Isa> available = available_isas();
  if (forced.empty()) return available.back();
  for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512}) {
    if (forced != isa_name(isa)) continue;
    check(std::find(available.begin(), available.end(), isa) != available.end(), "CHOP_CPU_ISA=", forced,
          ": this processor or this build lacks it");
    return isa;
  }
  fail("CHOP_CPU_ISA must be baseline, avx2 or avx512, got '", forced, "'");
}

Isa active_isa() {
  static const Isa isa = [] {
    const char* forced = std::getenv("CHOP_CPU_ISA");
    return choose_isa(forced ? forced : "");
  }();
  return isa;
}

}  // namespace chop
