#include "bench.h"

#include "command.h"
#include "compute_options.h"
#include "core/error.h"
#include "progress.h"
#include "report/bench.h"
#include "report/wrap.h"
#include "runtime/memory_limits.h"
#include "terminal.h"

#include <nlohmann/json.hpp>

#include <charconv>
#include <cstdio>
#include <memory>

namespace vitals::cli {
namespace {

struct Options {
  ModelOptions model;
  std::string second;  // a model to compare with
  OutputOptions output;
  ComputeOptions compute;
  std::vector<std::uint64_t> batches{1};
  std::vector<int> threads;  // empty: one thread for every CPU
  double seconds = 3;
  std::optional<std::size_t> runs;
  bool fresh = false;  // measure the machine's limits anew
};

std::vector<Graph> graphs_of(const Options& o, std::uint64_t batch) {
  std::vector<Graph> graphs;
  for (const auto& name : {o.model.model, o.second}) {
    if (name.empty()) continue;
    auto build = o.model.build_options();
    build.batch = batch;
    build.attention = AttentionKernel::fused;
    graphs.push_back(o.model.load(name).build(build));
  }
  return graphs;
}

// The models on one engine, for one batch size.
std::vector<BenchResult> measured(const Options& o, Engine& engine, const MachinePeaks& machine,
                                  std::uint64_t batch, Progress& progress,
                                  const Interruption& interruption) {
  // What came before, such as the buffer that bandwidth is measured with, is not the model's
  // memory.
  reset_peak_resident();
  const auto graphs = graphs_of(o, batch);
  BenchOptions options;
  options.precision = o.compute.precision;
  options.measure.seconds = o.seconds;
  options.measure.runs = o.runs;
  options.measure.progress = [&](double part) { progress.show(part); };
  options.measure.stop = [&] { return interruption.seen(); };
  return bench(graphs, engine, machine, options);
}

MachinePeaks limits(int threads, bool fresh, Progress& progress) {
  progress.say("measuring the machine's limits");
  return machine_peaks(threads, threads <= usable_cpus(), peaks_cache_file(), fresh);
}

// Every batch size with every number of threads; with two models their results stand in pairs.
std::vector<BenchResult> all_measured(const Options& o) {
  (void)graphs_of(o, o.batches.front());  // what is wrong with a model is said at once
  const auto threads = o.threads.empty() ? std::vector<int>{usable_cpus()} : o.threads;
  const Interruption interruption;
  Progress progress(threads.size() * o.batches.size());
  std::vector<BenchResult> results;
  for (const int t : threads) {
    auto machine = limits(t, o.fresh, progress);
    const auto first = results.size();
    {
      const auto engine = open_engine({o.compute.backend, o.compute.precision, t, true});
      for (const auto batch : o.batches) {
        if (interruption.seen()) break;
        progress.begin(fmt::format("batch {}, {} threads", batch, t));
        for (auto& r : measured(o, *engine, machine, batch, progress, interruption))
          results.push_back(std::move(r));
      }
    }
    const auto ours = std::span(results).subspan(first);
    if (!beats_its_limits(ours)) continue;
    if (!o.fresh) machine = limits(t, true, progress);
    raise_limits(machine, ours);
    for (auto& r : ours) set_limits(r, machine);
  }
  if (results.empty()) fail("interrupted before anything was measured");
  return results;
}

nlohmann::ordered_json json_of(const Options& o, std::span<const BenchResult> results) {
  if (results.size() == 1) return bench_json(results.front());
  auto list = nlohmann::ordered_json::array();
  for (const auto& r : results) list.push_back(bench_json(r));
  auto json = nlohmann::ordered_json::object();
  json[o.second.empty() ? "sweep" : "models"] = std::move(list);
  return json;
}

std::string bench_text(const Options& o) {
  const auto results = all_measured(o);
  const auto format = o.output.format;
  if (format == Format::json) return json_of(o, results).dump(2) + "\n";
  for (const auto& warning : bench_warnings(results)) tell(warning);
  const auto& first = results.front();
  const bool alone = format == Format::csv;  // nothing but the table
  const auto width = text_layout(o.output).width;
  const auto heading = wrapped(bench_heading(first), width) + "\n";
  if (!o.second.empty()) {
    const auto& second = results.back();
    if (alone) return to_csv(bench_comparison(first, second));
    return heading + render(bench_comparison(first, second), o.output) + "\n" +
           render(bench_comparison_by_kind(first, second), o.output);
  }
  if (results.size() > 1) {
    if (alone) return to_csv(bench_sweep_raw(results));
    return heading + render(bench_sweep(results), o.output);
  }
  if (alone) return to_csv(bench_ops_raw(first));
  return heading + render(bench_ops(first), o.output) + "\n" + wrapped(bench_totals(first), width);
}

// A number of seconds, for --seconds.
Check seconds_into(double& target) {
  return [&target](const std::string& text) {
    constexpr double kMost = 86400;
    const auto* end = text.data() + text.size();
    const auto [stopped, code] = std::from_chars(text.data(), end, target);
    const bool good = code == std::errc() && stopped == end && target >= 0.01 && target <= kMost;
    return good ? std::string() : "'" + text + "' is no number of seconds from 0.01 to 86400";
  };
}

std::string check_usage(const Options& o, const Given& given) {
  if (given.has("--runs") && given.has("--seconds"))
    return "--runs and --seconds exclude each other";
  if (!o.second.empty() && (o.batches.size() > 1 || o.threads.size() > 1))
    return "two models are compared at one --batch and one --threads";
  return "";
}

}  // namespace

BenchResult bench_model(const ModelOptions& model, const std::string& name) {
  Options o;
  o.model = model;
  o.model.model = name;
  auto results = all_measured(o);
  for (const auto& warning : bench_warnings(results)) tell(warning);
  return std::move(results.front());
}

Command bench_command() {
  auto o = std::make_shared<Options>();
  Command c{"bench", "A real forward pass on this machine: measured beside theoretical"};
  add_model_options(c, o->model, true, false);
  c.text("second", o->second, "MODEL", "A second model, to compare with");
  c.group = "Measuring";
  c.counts("--batch", o->batches, "Samples in a batch; several (1,2,4,8) make a sweep").initial =
      "1";
  c.counts("--threads", o->threads, "Threads, one a CPU if not given; several make a sweep",
           kThreads);
  c.add("--seconds", "S", "How long to measure", seconds_into(o->seconds)).initial = "3";
  c.count("--runs", o->runs, "How many runs to measure, instead of a time",
          {1, std::uint64_t{1} << 20});
  c.flag("--fresh", o->fresh, "Measure the machine's limits anew, whatever is remembered");
  add_compute_options(c, o->compute);
  add_output_options(c, o->output);
  c.examples = {"vitals bench vit_base_patch32",
                "vitals bench vit_base_patch16_224 --batch 1,2,4,8 --threads 1,2",
                "vitals bench vit_small_patch16_224 deit_small_patch16_224",
                "vitals bench my_vit.json --precision bf16 --format json"};
  c.check = [o](const Given& given) { return check_usage(*o, given); };
  c.run = [o] { deliver(bench_text(*o), o->output); };
  return c;
}

}  // namespace vitals::cli
