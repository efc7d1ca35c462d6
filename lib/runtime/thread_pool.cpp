#include "runtime/thread_pool.h"

#include "core/error.h"

#include <algorithm>
#include <chrono>
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace vitals {
namespace {

// Long enough to bridge the serial gaps between two kernels, short enough to let the CPU rest
// between two forwards.
constexpr auto kSpinTime = std::chrono::microseconds(200);

// The worker whose task this thread is in, or -1.
thread_local int current_worker = -1;

class WorkerScope {
 public:
  explicit WorkerScope(int worker) : outer_(std::exchange(current_worker, worker)) {}
  ~WorkerScope() { current_worker = outer_; }
  WorkerScope(const WorkerScope&) = delete;
  WorkerScope& operator=(const WorkerScope&) = delete;

 private:
  int outer_;
};

inline void cpu_relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::atomic_signal_fence(std::memory_order_seq_cst);
#endif
}

// Spins until done() or the spin time is over; says whether done() held.
template <class Done>
bool spin(Done done) {
  const auto start = std::chrono::steady_clock::now();
  while (true) {
    for (int i = 0; i < 64; ++i) {
      if (done()) return true;
      cpu_relax();
    }
    if (std::chrono::steady_clock::now() - start > kSpinTime) return done();
  }
}

void pin_to(const cpu_set_t& allowed, int index) {
  const int count = CPU_COUNT(&allowed);
  if (count == 0) return;
  int skip = index % count;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed) || skip-- > 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    pthread_setaffinity_np(pthread_self(), sizeof one, &one);
    return;
  }
}

constexpr std::uint64_t claim_of(std::uint32_t epoch, std::uint32_t task) {
  return (static_cast<std::uint64_t>(epoch) << 32) | task;
}

}  // namespace

// libgomp's stable entry points, the ones that GCC's own code calls.
struct ThreadPool::OpenMp {
  void* library = nullptr;
  void (*parallel)(void (*fn)(void*), void* data, unsigned threads, unsigned flags) = nullptr;
  int (*thread_num)() = nullptr;
  void (*set_num_threads)(int) = nullptr;

  OpenMp() {
    library = dlopen("libgomp.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr)
      throw std::runtime_error("cannot open libgomp.so.1 (OpenMP threads): " +
                               std::string(dlerror()));
    find(parallel, "GOMP_parallel");
    find(thread_num, "omp_get_thread_num");
    find(set_num_threads, "omp_set_num_threads");
  }

  template <class F>
  void find(F& out, const char* name) {
    out = reinterpret_cast<F>(dlsym(library, name));
    if (out == nullptr) throw std::runtime_error(std::string("libgomp.so.1 has no ") + name);
  }
};

ThreadPool::ThreadPool(PoolOptions options) : options_(options) {
  options_.threads = std::max(1, options_.threads);
  CPU_ZERO(&allowed_);
  if (options_.pin) pthread_getaffinity_np(pthread_self(), sizeof allowed_, &allowed_);
  if (options_.kind == PoolKind::kOpenMp) {
    openmp_ = std::make_unique<OpenMp>();
    openmp_->set_num_threads(options_.threads);
    const auto pin = [](void* data) {
      ThreadPool& pool = *static_cast<ThreadPool*>(data);
      pin_to(pool.allowed_, pool.openmp_->thread_num());
    };
    if (options_.pin) openmp_->parallel(pin, this, static_cast<unsigned>(options_.threads), 0);
    return;
  }
  workers_.reserve(static_cast<std::size_t>(options_.threads));  // nothing else may throw below
  try {
    for (int i = 1; i < options_.threads; ++i) workers_.emplace_back([this, i] { worker_loop(i); });
  } catch (const std::system_error& error) {
    const auto started = workers_.size() + 1;
    stop();  // a thread that is not joined ends the program
    fail("the system gives out {} of {} threads ({}); ask for fewer --threads", started,
         options_.threads, error.what());
  }
  if (options_.pin) pin_to(allowed_, 0);
}

void ThreadPool::stop() {
  stopping_.store(true, std::memory_order_seq_cst);
  epoch_.fetch_add(1, std::memory_order_seq_cst);
  epoch_.notify_all();
  for (std::thread& worker : workers_) worker.join();
  workers_.clear();
}

ThreadPool::~ThreadPool() {
  stop();
  if (options_.pin) pthread_setaffinity_np(pthread_self(), sizeof allowed_, &allowed_);
}

void ThreadPool::run_task(Task fn, void* context, std::int64_t task, int worker) {
  const WorkerScope scope(worker);
  try {
    fn(context, task, worker);
  } catch (...) {
    const std::lock_guard lock(error_mutex_);
    if (!error_) error_ = std::current_exception();
  }
}

void ThreadPool::rethrow() {
  const std::lock_guard lock(error_mutex_);
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

void ThreadPool::run(std::int64_t tasks, Task fn, void* context) {
  if (tasks <= 0) return;
  if (current_worker >= 0 || tasks == 1 || options_.threads == 1) {
    const WorkerScope scope(std::max(0, current_worker));
    for (std::int64_t task = 0; task < tasks; ++task) {
      fn(context, task, current_worker);
    }
    return;
  }
  if (openmp_) {
    run_openmp(tasks, fn, context);
  } else {
    run_own(tasks, fn, context);
  }
  rethrow();
}

void ThreadPool::run_own(std::int64_t tasks, Task fn, void* context) {
  const std::uint32_t epoch = epoch_.load(std::memory_order_relaxed) + 1;
  // Close the old job first: a late worker that pairs its claim with the new count of tasks must
  // find the claim changed. The release on tasks_ orders the two.
  claim_.store(claim_of(epoch, ~std::uint32_t{0}), std::memory_order_relaxed);
  task_.store(fn, std::memory_order_relaxed);
  context_.store(context, std::memory_order_relaxed);
  tasks_.store(static_cast<std::uint32_t>(tasks), std::memory_order_release);
  unfinished_.store(tasks, std::memory_order_relaxed);
  claim_.store(claim_of(epoch, 0), std::memory_order_release);
  epoch_.store(epoch, std::memory_order_seq_cst);
  if (parked_.load(std::memory_order_seq_cst) > 0) epoch_.notify_all();
  work(epoch, 0);
  const auto finished = [&] { return unfinished_.load(std::memory_order_acquire) == 0; };
  while (!spin(finished)) sched_yield();
}

void ThreadPool::work(std::uint32_t epoch, int worker) {
  std::uint64_t claim = claim_.load(std::memory_order_acquire);
  while (true) {
    if (static_cast<std::uint32_t>(claim >> 32) != epoch) return;
    const Task fn = task_.load(std::memory_order_relaxed);
    void* context = context_.load(std::memory_order_relaxed);
    const std::uint32_t task = static_cast<std::uint32_t>(claim);
    if (task >= tasks_.load(std::memory_order_acquire)) return;
    if (!claim_.compare_exchange_weak(claim, claim + 1, std::memory_order_acq_rel,
                                      std::memory_order_acquire)) {
      continue;
    }
    run_task(fn, context, task, worker);
    unfinished_.fetch_sub(1, std::memory_order_acq_rel);
    claim = claim_.load(std::memory_order_acquire);
  }
}

void ThreadPool::worker_loop(int worker) {
  if (options_.pin) pin_to(allowed_, worker);
  std::uint32_t seen = 0;
  while (true) {
    const auto fresh = [&] { return epoch_.load(std::memory_order_acquire) != seen; };
    if (!spin(fresh)) {
      parked_.fetch_add(1, std::memory_order_seq_cst);
      epoch_.wait(seen, std::memory_order_seq_cst);
      parked_.fetch_sub(1, std::memory_order_seq_cst);
    }
    if (stopping_.load(std::memory_order_seq_cst)) return;
    seen = epoch_.load(std::memory_order_acquire);
    work(seen, worker);
  }
}

void ThreadPool::run_openmp(std::int64_t tasks, Task fn, void* context) {
  struct Job {
    ThreadPool* pool;
    Task fn;
    void* context;
    std::int64_t tasks;
    std::atomic<std::int64_t> next{0};
  } job{this, fn, context, tasks, {}};
  const auto body = [](void* data) {
    Job& j = *static_cast<Job*>(data);
    const int worker = j.pool->openmp_->thread_num();
    while (true) {
      const std::int64_t task = j.next.fetch_add(1, std::memory_order_relaxed);
      if (task >= j.tasks) return;
      j.pool->run_task(j.fn, j.context, task, worker);
    }
  };
  openmp_->parallel(body, &job, static_cast<unsigned>(options_.threads), 0);
}

}  // namespace vitals
