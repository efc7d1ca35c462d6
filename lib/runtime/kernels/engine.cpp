#include "runtime/kernels/engine.h"

#include "runtime/kernels/onednn_library.h"

#include <fmt/format.h>

#include <stdexcept>

namespace vitals {

namespace kernels {

const KernelTable& kernel_table(Isa isa) {
  if (!has_isa(isa)) {
    throw std::runtime_error(fmt::format("this CPU has no {} instructions", isa_name(isa)));
  }
#if defined(__x86_64__)
  switch (isa) {
    case Isa::kPortable:
      break;
    case Isa::kAvx2:
      return avx2_table();
    case Isa::kAvx512:
      return avx512_table();
    case Isa::kAmx:
      return amx_table();
  }
#endif
  return portable_table();
}

}  // namespace kernels

const char* backend_name(Backend backend) {
  return backend == Backend::kEigen ? "eigen" : "onednn";
}

bool onednn_available(std::string* why) {
  try {
    const OnednnLibrary library;
    return true;
  } catch (const std::runtime_error& error) {
    if (why != nullptr) *why = error.what();
    return false;
  }
}

Backend choose_backend(Element) {
  // Our own kernels beat oneDNN's wherever both were measured; without AVX2 we have only a plain
  // loop in 128-bit vectors, and the library may know this CPU better.
  if (best_isa() != Isa::kPortable) return Backend::kEigen;
  return onednn_available(nullptr) ? Backend::kOnednn : Backend::kEigen;
}

Engine::Engine(const EngineOptions& options)
    : backend_(options.backend),
      onednn_(backend_ == Backend::kOnednn ? std::make_unique<OnednnLibrary>() : nullptr),
      pool_({options.threads, options.pin,
             backend_ == Backend::kOnednn ? PoolKind::kOpenMp : PoolKind::kOwn}),
      table_(kernels::kernel_table(options.isa.value_or(best_isa()))),
      caches_(cache_sizes()),
      scratch_(static_cast<std::size_t>(pool_.threads()) + 1) {}

Engine::~Engine() = default;

std::string Engine::description() const {
  if (!onednn_) return fmt::format("eigen backend: own {} kernels", isa_name(table_.isa));
  return fmt::format("oneDNN {}, own {} kernels", onednn_->version(), isa_name(table_.isa));
}

void* Engine::scratch(int worker, std::size_t bytes) {
  return scratch_[static_cast<std::size_t>(worker)].reserve(bytes);
}

std::size_t Engine::scratch_bytes() const {
  std::size_t total = 0;
  for (const AlignedBuffer& buffer : scratch_) total += buffer.bytes();
  return total;
}

}  // namespace vitals
