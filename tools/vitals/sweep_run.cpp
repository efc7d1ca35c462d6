#include "sweep_run.h"

#include "core/error.h"
#include "core/file.h"
#include "progress.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <fcntl.h>
#include <map>
#include <mutex>
#include <optional>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace vitals::cli {
namespace {

class OrderedRun {
 public:
  OrderedRun(const PointRange& range, const std::function<SweepRow(std::uint64_t)>& compute,
             std::size_t ahead)
      : range_(range), compute_(compute), next_(range.begin), taken_(range.begin), ahead_(ahead) {}

  void work() {
    while (const auto point = claim()) {
      try {
        auto row = compute_(*point);
        const std::lock_guard lock(mutex_);
        rows_.emplace(*point, std::move(row));
      } catch (...) {
        const std::lock_guard lock(mutex_);
        if (!fault_) fault_ = std::current_exception();
      }
      changed_.notify_all();
    }
  }

  // The row of the point that comes next; nothing at the end. Looks up often enough for Ctrl-C.
  std::optional<SweepRow> take(const Interruption& interruption) {
    std::unique_lock lock(mutex_);
    while (taken_ < range_.end && !fault_ && !interruption.seen()) {
      const auto it = rows_.find(taken_);
      if (it != rows_.end()) {
        auto row = std::move(it->second);
        rows_.erase(it);
        ++taken_;
        changed_.notify_all();
        return row;
      }
      changed_.wait_for(lock, std::chrono::milliseconds(100));
    }
    return std::nullopt;
  }

  void stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
  }

  void check() const {
    if (fault_) std::rethrow_exception(fault_);
  }
  [[nodiscard]] std::uint64_t taken() const { return taken_; }

 private:
  // Not far ahead of what is written: rows that wait take memory.
  std::optional<std::uint64_t> claim() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return stopped_ || fault_ || next_ < taken_ + ahead_; });
    if (stopped_ || fault_ || next_ >= range_.end) return std::nullopt;
    return next_++;
  }

  const PointRange range_;
  const std::function<SweepRow(std::uint64_t)>& compute_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::uint64_t, SweepRow> rows_;
  std::uint64_t next_;
  std::uint64_t taken_;
  std::size_t ahead_;
  std::exception_ptr fault_;
  bool stopped_ = false;
};

// Ends the threads on every way out.
class Workers {
 public:
  Workers(OrderedRun& run, std::size_t count) : run_(run) {
    try {
      for (std::size_t i = 0; i < count; ++i) threads_.emplace_back([&run] { run.work(); });
    } catch (...) {
      end();
      throw;
    }
  }
  ~Workers() { end(); }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

 private:
  void end() {
    run_.stop();
    for (auto& thread : threads_) thread.join();
  }
  OrderedRun& run_;
  std::vector<std::thread> threads_;
};

}  // namespace

bool run_in_order(const PointRange& range, const std::function<SweepRow(std::uint64_t)>& compute,
                  const std::function<void(const SweepRow&)>& take) {
  if (range.begin >= range.end) return true;
  const auto cpu = std::max(1U, std::thread::hardware_concurrency());
  const auto jobs =
      std::min<std::uint64_t>(range.jobs != 0 ? range.jobs : cpu, range.end - range.begin);
  const Interruption interruption;
  Progress progress;
  progress.begin("sweep");
  constexpr std::size_t kAheadOfEach = 64;
  OrderedRun run(range, compute, jobs * kAheadOfEach);
  {
    const Workers workers(run, jobs);
    while (const auto row = run.take(interruption)) {
      take(*row);
      progress.show(static_cast<double>(run.taken() - range.begin) /
                    static_cast<double>(range.end - range.begin));
    }
  }
  run.check();
  return run.taken() == range.end;
}

AppendedFile::AppendedFile(std::string path)
    : path_(std::move(path)),
      descriptor_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)) {
  if (descriptor_ < 0) fail("{}: cannot write: {}", path_, std::strerror(errno));
}

AppendedFile::~AppendedFile() { ::close(descriptor_); }

bool AppendedFile::empty() const {
  struct stat state {};
  return ::fstat(descriptor_, &state) == 0 && state.st_size == 0;
}

void AppendedFile::append(const std::string& text) {
  if (const int error = write_all(descriptor_, text); error != 0)
    fail("{}: cannot write: {}", path_, std::strerror(error));
}

}  // namespace vitals::cli
