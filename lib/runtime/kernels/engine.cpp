#include "runtime/kernels/engine.h"

#include <fmt/core.h>

#include <algorithm>
#include <stdexcept>

namespace vitals {

namespace kernels {

const KernelTable& kernel_table(Isa isa) {
  if (!has_isa(isa)) {
    throw std::runtime_error(
        fmt::format("this CPU has no {} instructions, or VITALS_ISA excludes them", isa_name(isa)));
  }
  const auto sets = instruction_sets();
  return std::find_if(sets.begin(), sets.end(), [&](const auto& s) { return s.isa == isa; })
      ->table();
}

}  // namespace kernels

Engine::Engine(const EngineOptions& options)
    : backend_(options.backend != nullptr ? *options.backend : backends().front()),
      open_(backend_.open()),
      pool_({options.threads, options.pin, backend_.pool}),
      table_(kernels::kernel_table(options.isa.value_or(best_isa()))),
      caches_(cache_sizes()),
      scratch_(static_cast<std::size_t>(pool_.threads()) + 1) {}

Engine::~Engine() = default;

std::string Engine::description() const {
  return open_->description(fmt::format("own {} kernels", isa_name(table_.isa)));
}

void* Engine::scratch(int worker, std::size_t bytes) {
  return scratch_[static_cast<std::size_t>(worker)].reserve(bytes);
}

std::size_t Engine::scratch_bytes() const {
  std::size_t total = 0;
  for (const AlignedBuffer& buffer : scratch_) total += buffer.bytes();
  return total;
}

void Engine::release_scratch() {
  for (AlignedBuffer& buffer : scratch_) buffer = AlignedBuffer();
}

}  // namespace vitals
