// What every kernel call needs: the pool, the kernels of one instruction set, the backend for dense
// layers, and grow-only scratch. One engine runs one call at a time.
// Must not know of graphs or of any particular kernel.
#pragma once

#include "runtime/kernels/kernel_table.h"
#include "runtime/kernels/memory.h"
#include "runtime/thread_pool.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

namespace vitals {

class OnednnLibrary;

enum class Backend {
  kEigen,   // our own kernels on our own threads, always there
  kOnednn,  // dense layers by oneDNN (opened at run time), the rest ours on OpenMP's threads
};

const char* backend_name(Backend backend);  // "eigen", "onednn"

struct EngineOptions {
  Backend backend = Backend::kEigen;
  int threads = 1;
  bool pin = false;
  std::optional<Isa> isa = {};  // for tests: a narrower set than the CPU's best
};

class Engine {
 public:
  // Throws std::runtime_error with a plain reason: oneDNN or OpenMP cannot be opened, or the CPU
  // lacks the instruction set.
  explicit Engine(const EngineOptions& options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  Backend backend() const { return backend_; }
  ThreadPool& pool() { return pool_; }
  const kernels::KernelTable& table() const { return table_; }
  const CacheSizes& caches() const { return caches_; }
  OnednnLibrary* onednn() { return onednn_.get(); }

  // One line for people: "eigen backend: avx512 kernels", "oneDNN 2.6.3, avx512 kernels".
  std::string description() const;

  // At least `bytes` of 64-byte aligned memory, kept until the next call for the same slot. Slot
  // `worker` belongs to that worker within a parallel_for; the shared slot to the caller.
  void* scratch(int worker, std::size_t bytes);
  void* shared_scratch(std::size_t bytes) { return scratch(pool_.threads(), bytes); }
  std::size_t scratch_bytes() const;  // held now, over all slots

 private:
  Backend backend_;
  std::unique_ptr<OnednnLibrary> onednn_;
  ThreadPool pool_;
  const kernels::KernelTable& table_;
  CacheSizes caches_;
  std::vector<AlignedBuffer> scratch_;
};

// True when oneDNN can be opened here; else *why says what is missing (may be null).
bool onednn_available(std::string* why);

// The fastest backend for weights of this type on this machine.
Backend choose_backend(Element weights);

}  // namespace vitals
