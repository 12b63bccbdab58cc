// Which instruction set the kernels use: detected once, CHOP_CPU_ISA forces one.
#pragma once

#include <string>
#include <vector>

namespace chop {

// Each has all that those before it have.
enum class Isa { baseline, avx2, avx512, amx };

const char* isa_name(Isa isa);

// Those that were built and that this processor runs, slowest first.
std::vector<Isa> available_isas();

// The best available one, or the one that CHOP_CPU_ISA names. Throws on an unknown name or one the processor lacks.
Isa active_isa();

// The choice of `active_isa`, without the cache: `forced` is the value of CHOP_CPU_ISA or empty.
Isa choose_isa(const std::string& forced);

}  // namespace chop
