#include "runtime/kernels/isa.h"

#include "core/error.h"
#include "runtime/kernels/kernel_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace vitals {
namespace {

bool always() { return true; }

#if defined(__x86_64__)
struct Registers {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
};

// Leaf 7 of cpuid: the extended features. Zeros where the CPU does not know the leaf.
Registers features(unsigned subleaf) {
  Registers r;
  __get_cpuid_count(7, subleaf, &r.a, &r.b, &r.c, &r.d);
  return r;
}

bool avx2_usable() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

bool avx512_usable() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

bool avx512_bf16_usable() { return (features(1).a & (1u << 5)) != 0; }

// Tile data is a kilobytes-large register state that Linux gives to a process only on request.
bool amx_permitted() {
  constexpr long kArchReqXcompPerm = 0x1023;
  constexpr long kTileData = 18;
  return syscall(SYS_arch_prctl, kArchReqXcompPerm, kTileData) == 0;
}

bool amx_usable() {
  constexpr unsigned kAmxBf16 = 1u << 22;
  constexpr unsigned kAmxTile = 1u << 24;
  const unsigned d = features(0).d;
  return (d & kAmxBf16) != 0 && (d & kAmxTile) != 0 && amx_permitted();
}
#endif

constexpr InstructionSet kSets[] = {
    {Isa::kPortable, "portable", always, kernels::portable_table},
#if defined(__x86_64__)
    {Isa::kAvx2, "avx2", avx2_usable, kernels::avx2_table},
    {Isa::kAvx512, "avx512", avx512_usable, kernels::avx512_table},
    {Isa::kAvx512Bf16, "avx512_bf16", avx512_bf16_usable, kernels::avx512_bf16_table},
    {Isa::kAmx, "amx", amx_usable, kernels::amx_table},
#endif
};

Isa detect() {
  Isa best = Isa::kPortable;
  for (const auto& set : kSets) {
    if (!set.usable()) break;
    best = set.isa;
  }
  return best;
}

Isa widest_isa() {
  static const Isa isa = detect();
  return isa;
}

// The names of the sets up to `last`, narrowest first.
std::string names_up_to(Isa last) {
  std::vector<std::string_view> names;
  for (const auto& set : kSets)
    if (set.isa <= last) names.emplace_back(set.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

void require_usable(Isa isa) {
  if (isa > widest_isa())
    fail("this CPU has no {} instructions; choose one of {}", isa_name(isa),
         names_up_to(widest_isa()));
}

std::optional<Isa> isa_of_environment() {
  const char* name = std::getenv("VITALS_ISA");
  if (name == nullptr || *name == '\0') return {};
  const auto* set = std::find_if(std::begin(kSets), std::end(kSets),
                                 [&](const auto& s) { return std::string_view(s.name) == name; });
  if (set == std::end(kSets))
    fail("VITALS_ISA: unknown instruction set '{}'; expected one of {}", name,
         names_up_to(std::prev(std::end(kSets))->isa));
  try {
    require_usable(set->isa);
  } catch (const Error& error) {
    throw error.within(fmt::format("VITALS_ISA={}", name));
  }
  return set->isa;
}

std::optional<Isa> chosen_cap;

}  // namespace

std::span<const InstructionSet> instruction_sets() { return kSets; }

Isa best_isa() {
  if (chosen_cap) return *chosen_cap;
  static const Isa isa = isa_of_environment().value_or(widest_isa());
  return isa;
}

void cap_isa(Isa isa) {
  require_usable(isa);
  chosen_cap = isa;
}

std::optional<Isa> isa_cap() {
  const Isa best = best_isa();
  return best < widest_isa() ? std::optional(best) : std::nullopt;
}

bool has_isa(Isa isa) { return isa <= best_isa(); }

const char* isa_name(Isa isa) {
  for (const auto& set : kSets)
    if (set.isa == isa) return set.name;
  return "?";
}

CacheSizes cache_sizes() {
  CacheSizes sizes;
#if defined(_SC_LEVEL1_DCACHE_SIZE)
  const long l1 = sysconf(_SC_LEVEL1_DCACHE_SIZE);
  const long l2 = sysconf(_SC_LEVEL2_CACHE_SIZE);
  if (l1 > 0) sizes.l1 = std::clamp(l1, 16L << 10, 256L << 10);
  if (l2 > 0) sizes.l2 = std::clamp(l2, 128L << 10, 16L << 20);
#endif
  return sizes;
}

}  // namespace vitals
