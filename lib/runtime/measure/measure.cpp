#include "runtime/measure/measure.h"

#include "core/error.h"
#include "runtime/measure/clock.h"
#include "runtime/measure/statistics.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

namespace vitals {
namespace {

std::vector<std::vector<float>> outputs_of(const Executor& executor) {
  std::vector<std::vector<float>> outputs;
  for (auto id : executor.graph().outputs) outputs.push_back(executor.value(id));
  return outputs;
}

// An executor with what its first run gave.
class Subject {
 public:
  explicit Subject(Executor& executor)
      : executor_(executor), steps_(executor.program().steps.size()) {
    executor_.run();
    expected_ = outputs_of(executor_);
    for (const auto& output : expected_)
      for (float v : output)
        if (!std::isfinite(v))
          fail("{}: the output holds {}: weights or input are out of range",
               executor_.graph().model, v);
  }

  double run_seconds() {
    const auto begin = Clock::now();
    executor_.run();
    return seconds_since(begin);
  }

  void measured_run() {
    const auto begin = Clock::now();
    executor_.run(steps_);
    result.run_ms.push_back(1e3 * seconds_since(begin));
    auto& row = result.step_ms.emplace_back();
    row.reserve(steps_.size());
    for (double s : steps_) row.push_back(static_cast<float>(1e3 * s));
    check();
  }

  // Runs for `long_enough` seconds, and until three runs in a row took what the three before took.
  void warm_up(double long_enough, const std::function<bool()>& stop) {
    constexpr std::size_t kWindow = 3;
    const double too_long = 4.0 + long_enough;
    constexpr double kSame = 0.03;
    result.warmup_runs = 1;  // the first, whose output the others are compared with
    if (long_enough == 0) return;
    std::vector<double> times;
    const auto begin = Clock::now();
    while (true) {
      times.push_back(run_seconds());
      if (stop && stop()) break;
      const auto elapsed = seconds_since(begin);
      if (times.size() < 2 * kWindow || elapsed < long_enough) {
        if (elapsed < too_long) continue;
        result.settled = times.size() >= 2 * kWindow;
        break;
      }
      const std::span<const double> all(times);
      const double now = median(all.last(kWindow));
      const double before = median(all.last(2 * kWindow).first(kWindow));
      if (std::abs(now - before) <= kSame * before) break;
      result.settled = elapsed < too_long;
      if (!result.settled) break;
    }
    result.warmup_runs = times.size() + 1;
  }

  Measurement result;

 private:
  void check() const {
    const auto outputs = outputs_of(executor_);
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const auto bytes = outputs[i].size() * sizeof(float);
      if (std::memcmp(outputs[i].data(), expected_[i].data(), bytes) != 0)
        fail("{}: run {} gave another output than the first one; this is a fault of vitals",
             executor_.graph().model, result.run_ms.size());
    }
  }

  Executor& executor_;
  std::vector<double> steps_;
  std::vector<std::vector<float>> expected_;
};

double part_done(const MeasureOptions& options, std::size_t rounds, double elapsed) {
  const double wanted = options.runs ? static_cast<double>(*options.runs) : options.seconds;
  const double done = options.runs ? static_cast<double>(rounds) : elapsed;
  return std::min(1.0, wanted > 0 ? done / wanted : 1.0);
}

}  // namespace

std::vector<Measurement> measure(std::span<Executor* const> executors,
                                 const MeasureOptions& options) {
  std::vector<Subject> subjects;
  subjects.reserve(executors.size());
  for (auto* executor : executors)
    subjects.emplace_back(*executor).warm_up(options.warm_up_seconds, options.stop);
  const auto before = load_counters();
  const auto begin = Clock::now();
  bool interrupted = false;
  const auto most = options.runs.value_or(kMostRuns);
  for (std::size_t round = 0; round < most && !interrupted; ++round) {
    // Every other round backwards: what a run leaves in the caches meets all of them equally.
    if (round % 2 == 0)
      for (auto& subject : subjects) subject.measured_run();
    else
      for (auto it = subjects.rbegin(); it != subjects.rend(); ++it) it->measured_run();
    interrupted = options.stop && options.stop();
    const auto elapsed = seconds_since(begin);
    if (options.progress) options.progress(part_done(options, round + 1, elapsed));
    if (!options.runs && elapsed >= options.seconds) break;
  }
  const auto load = load_counters() - before;
  std::vector<Measurement> results;
  for (auto& subject : subjects) {
    subject.result.load = load;
    subject.result.interrupted = interrupted;
    results.push_back(std::move(subject.result));
  }
  return results;
}

std::vector<double> typical_step_ms(const Measurement& m) {
  const double middle = median(m.run_ms);
  std::vector<std::size_t> order(m.run_ms.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::abs(m.run_ms[a] - middle) < std::abs(m.run_ms[b] - middle);
  });
  order.resize(std::min(order.size(), std::max<std::size_t>(5, order.size() / 5)));
  std::vector<double> typical(m.step_ms.front().size());
  double whole = 0;
  for (auto run : order) {
    whole += m.run_ms[run];
    for (std::size_t i = 0; i < typical.size(); ++i)
      typical[i] += static_cast<double>(m.step_ms[run][i]);
  }
  // Shares of these runs, of the median: on a noisy machine their mean is another time.
  for (auto& ms : typical) ms *= middle / whole;
  return typical;
}

}  // namespace vitals
