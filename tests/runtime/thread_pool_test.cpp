#include "runtime/thread_pool.h"

#include <doctest/doctest.h>

#include <stdexcept>
#include <vector>

using namespace vitals;

TEST_CASE("every task runs once, on a worker of its own") {
  for (const int threads : {1, 2, 4}) {
    ThreadPool pool({threads, threads == 2, PoolKind::kOwn});
    for (int round = 0; round < 300; ++round) {
      const int tasks = round % 23;
      std::vector<int> runs(static_cast<std::size_t>(tasks));
      std::vector<std::int64_t> per_worker(static_cast<std::size_t>(threads));
      pool.parallel_for(tasks, [&](std::int64_t task, int worker) {
        ++runs[static_cast<std::size_t>(task)];
        ++per_worker[static_cast<std::size_t>(worker)];  // a race if two tasks shared a worker
      });
      std::int64_t total = 0;
      for (const std::int64_t count : per_worker) total += count;
      CHECK(total == tasks);
      for (const int count : runs) REQUIRE(count == 1);
    }
  }
}

TEST_CASE("a task's exception reaches the caller and leaves the pool usable") {
  ThreadPool pool({3, false, PoolKind::kOwn});
  for (int round = 0; round < 20; ++round) {
    CHECK_THROWS_AS(pool.parallel_for(8,
                                      [](std::int64_t task, int) {
                                        if (task == 5) throw std::runtime_error("task 5");
                                      }),
                    std::runtime_error);
    std::atomic<int> runs = 0;
    pool.parallel_for(8, [&](std::int64_t, int) { ++runs; });
    CHECK(runs == 8);
  }
}

TEST_CASE("a parallel_for inside a task stays on the task's worker") {
  ThreadPool pool({3, false, PoolKind::kOwn});
  std::atomic<int> wrong = 0;
  pool.parallel_for(6, [&](std::int64_t, int outer) {
    pool.parallel_for(4, [&](std::int64_t, int inner) { wrong += inner != outer; });
  });
  CHECK(wrong == 0);
}

TEST_CASE("jobs follow pauses long enough for the workers to park") {
  ThreadPool pool({3, false, PoolKind::kOwn});
  for (int round = 0; round < 20; ++round) {
    std::this_thread::sleep_for(std::chrono::microseconds(round % 2 == 0 ? 1000 : 100));
    std::atomic<int> runs = 0;
    pool.parallel_for(12, [&](std::int64_t, int) { ++runs; });
    CHECK(runs == 12);
  }
}
