// The process's one pool of compute threads: parallel_for over coarse tasks, low latency (workers
// spin for a while, then park), the caller works too. When a library brings OpenMP into the
// process, the same calls run on OpenMP's threads instead, so that two pools never fight.
// Knows nothing of kernels, tensors or graphs.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <sched.h>
#include <thread>
#include <type_traits>
#include <vector>

namespace vitals {

enum class PoolKind {
  kOwn,     // std::thread workers of this class
  kOpenMp,  // GNU OpenMP's pool, which some library has loaded (libgomp, found at run time)
};

struct PoolOptions {
  int threads = 1;   // the caller counts as one; at least 1
  bool pin = false;  // pin worker i to the i-th CPU that the process may run on (caller: the first)
  PoolKind kind = PoolKind::kOwn;
};

// Not reentrant: a parallel_for inside a task runs serially on that task's worker. One caller at a
// time. An exception thrown by a task is rethrown by parallel_for once all tasks ended.
class ThreadPool {
 public:
  // Throws std::runtime_error when kOpenMp is asked and libgomp cannot be opened.
  explicit ThreadPool(PoolOptions options);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return options_.threads; }
  PoolKind kind() const { return options_.kind; }

  // Calls fn(task, worker) once for each task in [0, tasks), 0 <= worker < threads(). Tasks are
  // handed out in order; no two tasks run on one worker at a time. tasks < 2^31.
  template <class F>
  void parallel_for(std::int64_t tasks, F&& fn) {
    auto call = [](void* context, std::int64_t task, int worker) {
      (*static_cast<std::remove_reference_t<F>*>(context))(task, worker);
    };
    run(tasks, call, const_cast<void*>(static_cast<const void*>(&fn)));
  }

 private:
  using Task = void (*)(void* context, std::int64_t task, int worker);
  struct OpenMp;

  void run(std::int64_t tasks, Task fn, void* context);
  void run_own(std::int64_t tasks, Task fn, void* context);
  void run_openmp(std::int64_t tasks, Task fn, void* context);
  void work(std::uint32_t epoch, int worker);
  void worker_loop(int worker);
  void run_task(Task fn, void* context, std::int64_t task, int worker);
  void rethrow();
  void stop();

  PoolOptions options_;
  cpu_set_t allowed_ = {};  // the constructing thread's CPUs, given back at the end
  std::vector<std::thread> workers_;
  std::unique_ptr<OpenMp> openmp_;
  std::mutex error_mutex_;
  std::exception_ptr error_;

  // The present job. A claim (epoch in the high half, next task in the low half) is taken by
  // compare-exchange, so a worker that wakes late can never take a task of a job it did not see.
  alignas(64) std::atomic<std::uint64_t> claim_{0};
  std::atomic<Task> task_{nullptr};
  std::atomic<void*> context_{nullptr};
  std::atomic<std::uint32_t> tasks_{0};
  alignas(64) std::atomic<std::int64_t> unfinished_{0};
  alignas(64) std::atomic<std::uint32_t> epoch_{0};
  std::atomic<int> parked_{0};
  std::atomic<bool> stopping_{false};
};

}  // namespace vitals
