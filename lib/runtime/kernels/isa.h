// The instruction sets that kernels are compiled for, and which of them this CPU and operating
// system offer. Must not know of any kernel.
#pragma once

#include <optional>
#include <span>

namespace vitals {

namespace kernels {
struct KernelTable;
}

enum class Isa { kPortable, kAvx2, kAvx512, kAvx512Bf16, kAmx };

struct InstructionSet {
  Isa isa;
  const char* name;
  // Whether CPU and operating system (saved registers, AMX permission) have what it adds to the
  // sets before it.
  bool (*usable)();
  const kernels::KernelTable& (*table)();
};

// Those that this build has: the narrowest first, each with all before it.
std::span<const InstructionSet> instruction_sets();

// The widest usable set; never wider than cap_isa() or, without it, the environment variable
// VITALS_ISA allows. Throws Error when VITALS_ISA names no set, or one that is not usable here.
Isa best_isa();

// True for best_isa() and everything narrower that this build has.
bool has_isa(Isa isa);

// Lets the process use this set and the narrower ones only, and oneDNN with it. Call it before the
// first engine is opened. Throws Error when this machine cannot run it.
void cap_isa(Isa isa);

// The cap, when it takes something away from what the machine has. Throws as best_isa() does.
std::optional<Isa> isa_cap();

// "portable", "avx2", "avx512", "avx512_bf16", "amx"
const char* isa_name(Isa isa);

// Data-cache sizes in bytes, with plausible defaults where the system does not tell.
struct CacheSizes {
  long l1 = 32 << 10;
  long l2 = 1 << 20;
};
CacheSizes cache_sizes();

}  // namespace vitals
