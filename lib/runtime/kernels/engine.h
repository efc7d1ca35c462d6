// What every kernel call needs: the pool, the kernels of one instruction set, the backend for dense
// layers, and grow-only scratch. One engine runs one call at a time.
// Must not know of graphs or of any particular kernel.
#pragma once

#include "runtime/kernels/backend.h"
#include "runtime/kernels/kernel_table.h"
#include "runtime/kernels/memory.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

namespace vitals {

struct EngineOptions {
  const Backend* backend = nullptr;  // null: our own
  int threads = 1;
  bool pin = false;
  std::optional<Isa> isa = {};  // for tests: a narrower set than the CPU's best
};

class Engine {
 public:
  // Throws std::runtime_error with a plain reason: the backend or OpenMP cannot be opened, or the
  // CPU lacks the instruction set.
  explicit Engine(const EngineOptions& options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  const Backend& backend() const { return backend_; }
  const OpenBackend& open_backend() const { return *open_; }
  ThreadPool& pool() { return pool_; }
  const kernels::KernelTable& table() const { return table_; }
  const CacheSizes& caches() const { return caches_; }

  // One line for people: "native backend: own avx512 kernels", "oneDNN 2.6.3, own avx512 kernels".
  std::string description() const;

  // At least `bytes` of 64-byte aligned memory, kept until the next call for the same slot. Slot
  // `worker` belongs to that worker within a parallel_for; the shared slot to the caller.
  void* scratch(int worker, std::size_t bytes);
  void* shared_scratch(std::size_t bytes) { return scratch(pool_.threads(), bytes); }
  std::size_t scratch_bytes() const;  // held now, over all slots
  // Gives it back, so that what runs next holds only what it needs itself. Between calls only.
  void release_scratch();

 private:
  const Backend& backend_;
  std::unique_ptr<OpenBackend> open_;
  ThreadPool pool_;
  const kernels::KernelTable& table_;
  CacheSizes caches_;
  std::vector<AlignedBuffer> scratch_;
};

}  // namespace vitals
