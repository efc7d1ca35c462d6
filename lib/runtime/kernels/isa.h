// Which instruction sets this CPU and operating system offer to the kernels.
// Must not know of any kernel.
#pragma once

namespace vitals {

enum class Isa { kPortable, kAvx2, kAvx512, kAmx };

// The widest usable set: CPU, operating system (saved registers, AMX permission) and this build.
Isa best_isa();

// True for best_isa() and everything narrower that this build has.
bool has_isa(Isa isa);

// "portable", "avx2", "avx512", "amx"
const char* isa_name(Isa isa);

// Data-cache sizes in bytes, with plausible defaults where the system does not tell.
struct CacheSizes {
  long l1 = 32 << 10;
  long l2 = 1 << 20;
};
CacheSizes cache_sizes();

}  // namespace vitals
