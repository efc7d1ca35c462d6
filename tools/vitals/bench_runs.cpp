#include "bench_runs.h"

#include "core/error.h"
#include "progress.h"
#include "report/measured/calibrate.h"

#include <algorithm>

namespace vitals::cli {
namespace {

std::vector<Graph> graphs_of(const BenchArguments& o, const std::vector<std::string>& models,
                             std::uint64_t batch) {
  std::vector<Graph> graphs;
  for (const auto& name : models) {
    auto build = o.model.build_options();
    build.batch = batch;
    build.attention = AttentionKernel::fused;
    graphs.push_back(o.model.load(name).build(build));
  }
  return graphs;
}

// The models on one engine, for one batch size.
std::vector<BenchResult> measured(const BenchArguments& o, const std::vector<std::string>& models,
                                  Engine& engine, const MachinePeaks& machine, std::uint64_t batch,
                                  Progress& progress, const Interruption& interruption) {
  const auto graphs = graphs_of(o, models, batch);
  BenchOptions options;
  options.precision = o.compute.precision;
  options.measure.warm_up_seconds = o.warm_up_seconds;
  options.measure.seconds = o.seconds_a_round();
  options.measure.runs = o.runs;
  options.measure.progress = [&](double part) { progress.show(part); };
  options.measure.stop = [&] { return interruption.seen(); };
  return bench(graphs, engine, machine, options);
}

MachinePeaks limits(int threads, bool fresh, Progress& progress) {
  progress.say("measuring the machine's limits");
  return machine_peaks(threads, threads <= usable_cpus(), peaks_cache_file(), fresh);
}

// All rounds on one engine.
std::vector<BenchResult> measured_on(const BenchArguments& o, Engine& engine,
                                     const MachinePeaks& machine, Progress& progress,
                                     const Interruption& interruption) {
  std::vector<BenchResult> results;
  for (const auto& models : o.rounds())
    for (const auto batch : o.all_batches()) {
      if (interruption.seen()) return results;
      const auto what = o.own_set() ? models.front() + ", " : std::string();
      progress.begin(fmt::format("{}batch {}, {} threads", what, batch, engine.pool().threads()));
      for (auto& r : measured(o, models, engine, machine, batch, progress, interruption))
        results.push_back(std::move(r));
    }
  return results;
}

}  // namespace

std::vector<std::uint64_t> BenchArguments::all_batches() const {
  if (!batches.empty()) return batches;
  return own_set() ? calibration_batches() : std::vector<std::uint64_t>{1};
}

std::vector<std::vector<std::string>> BenchArguments::rounds() const {
  if (!own_set())
    return {second.empty() ? std::vector{model.model} : std::vector{model.model, second}};
  std::vector<std::vector<std::string>> rounds;
  for (int visit = 0; visit < kVisits; ++visit)
    for (const auto& name : calibration_models()) rounds.push_back({name});
  return rounds;
}

std::vector<BenchResult> measure(const BenchArguments& arguments) {
  // What is wrong with a model is said at once.
  for (const auto& models : arguments.rounds())
    for (const auto& graph : graphs_of(arguments, models, arguments.all_batches().front()))
      require_runnable(graph);
  const auto threads =
      arguments.threads.empty() ? std::vector<int>{usable_cpus()} : arguments.threads;
  const Interruption interruption;
  Progress progress(threads.size() * arguments.rounds().size() * arguments.all_batches().size());
  std::vector<BenchResult> results;
  for (const int t : threads) {
    // First of all, because a backend that is not there is said at once, too.
    const auto engine = arguments.compute.open_engine(t, true);
    auto machine = limits(t, arguments.fresh, progress);
    auto ours = measured_on(arguments, *engine, machine, progress, interruption);
    if (beats_its_limits(ours)) {
      if (!arguments.fresh) machine = limits(t, true, progress);
      raise_limits(machine, ours);
      for (auto& r : ours) set_limits(r, machine);
    }
    for (auto& r : ours) results.push_back(std::move(r));
  }
  const auto stopped = [](const BenchResult& r) { return r.interrupted; };
  if (results.empty()) fail("interrupted before anything was measured");
  if (!arguments.save_device.empty() &&
      (interruption.seen() || std::any_of(results.begin(), results.end(), stopped)))
    fail("interrupted: {} is not written", arguments.save_device);
  return results;
}

}  // namespace vitals::cli
