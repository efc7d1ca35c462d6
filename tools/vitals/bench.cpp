#include "bench.h"

#include "command.h"
#include "compute_options.h"
#include "core/error.h"
#include "core/file.h"
#include "progress.h"
#include "report/bench.h"
#include "report/calibrate.h"
#include "report/wrap.h"
#include "runtime/memory_limits.h"
#include "spec/device.h"
#include "terminal.h"
#include "version.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <memory>

namespace vitals::cli {
namespace {

struct BenchArguments {
  ModelOptions model;
  std::string second;  // a model to compare with
  OutputOptions output;
  ComputeOptions compute;
  std::vector<std::uint64_t> batches;  // empty: one sample
  std::vector<int> threads;            // empty: one thread for every CPU
  double seconds = 3;
  std::optional<std::size_t> runs;
  bool fresh = false;       // measure the machine's limits anew
  std::string save_device;  // a file

  // A calibration of the machine measures models of its own unless told.
  [[nodiscard]] bool own_set() const { return !save_device.empty() && model.model.empty(); }
  [[nodiscard]] std::vector<std::uint64_t> all_batches() const {
    if (!batches.empty()) return batches;
    return own_set() ? calibration_batches() : std::vector<std::uint64_t>{1};
  }
  // What runs in turns, and then what comes after it.
  [[nodiscard]] std::vector<std::vector<std::string>> rounds() const {
    if (!own_set())
      return {second.empty() ? std::vector{model.model} : std::vector{model.model, second}};
    std::vector<std::vector<std::string>> rounds;
    for (int visit = 0; visit < kVisits; ++visit)
      for (const auto& name : calibration_models()) rounds.push_back({name});
    return rounds;
  }
  [[nodiscard]] double seconds_a_round() const { return own_set() ? seconds / kVisits : seconds; }

  // So often a model of its own is visited: what disturbs one visit may spare the next.
  static constexpr int kVisits = 3;
};

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
  // What came before, such as the buffer that bandwidth is measured with, is not the model's
  // memory.
  reset_peak_resident();
  const auto graphs = graphs_of(o, models, batch);
  BenchOptions options;
  options.precision = o.compute.precision;
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
std::vector<BenchResult> measured_on(const BenchArguments& o, int threads,
                                     const MachinePeaks& machine, Progress& progress,
                                     const Interruption& interruption) {
  const auto engine = open_engine({o.compute.backend, o.compute.precision, threads, true});
  std::vector<BenchResult> results;
  for (const auto& models : o.rounds())
    for (const auto batch : o.all_batches()) {
      if (interruption.seen()) return results;
      const auto what = o.own_set() ? models.front() + ", " : std::string();
      progress.begin(fmt::format("{}batch {}, {} threads", what, batch, threads));
      for (auto& r : measured(o, models, *engine, machine, batch, progress, interruption))
        results.push_back(std::move(r));
    }
  return results;
}

// Every batch size with every number of threads; with two models their results stand in pairs.
std::vector<BenchResult> all_measured(const BenchArguments& o) {
  // What is wrong with a model is said at once.
  for (const auto& models : o.rounds()) (void)graphs_of(o, models, o.all_batches().front());
  const auto threads = o.threads.empty() ? std::vector<int>{usable_cpus()} : o.threads;
  const Interruption interruption;
  Progress progress(threads.size() * o.rounds().size() * o.all_batches().size());
  std::vector<BenchResult> results;
  for (const int t : threads) {
    auto machine = limits(t, o.fresh, progress);
    auto ours = measured_on(o, t, machine, progress, interruption);
    if (beats_its_limits(ours)) {
      if (!o.fresh) machine = limits(t, true, progress);
      raise_limits(machine, ours);
      for (auto& r : ours) set_limits(r, machine);
    }
    for (auto& r : ours) results.push_back(std::move(r));
  }
  const auto stopped = [](const BenchResult& r) { return r.interrupted; };
  if (results.empty()) fail("interrupted before anything was measured");
  if (!o.save_device.empty() &&
      (interruption.seen() || std::any_of(results.begin(), results.end(), stopped)))
    fail("interrupted: {} is not written", o.save_device);
  return results;
}

nlohmann::ordered_json json_of(const BenchArguments& o, std::span<const BenchResult> results) {
  if (results.size() == 1) return bench_json(results.front());
  auto list = nlohmann::ordered_json::array();
  for (const auto& r : results) list.push_back(bench_json(r));
  auto json = nlohmann::ordered_json::object();
  json[o.second.empty() ? "sweep" : "models"] = std::move(list);
  return json;
}

std::string bench_text(const BenchArguments& o) {
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

// Of several visits to a model the fastest, in the order of the first ones.
std::vector<BenchResult> fastest_visits(std::vector<BenchResult> results) {
  std::vector<BenchResult> fastest;
  for (auto& r : results) {
    const auto same = std::find_if(fastest.begin(), fastest.end(), [&](const BenchResult& other) {
      return other.model == r.model && other.batch == r.batch;
    });
    if (same == fastest.end())
      fastest.push_back(std::move(r));
    else if (r.latency_ms.min < same->latency_ms.min)
      *same = std::move(r);
  }
  return fastest;
}

// The device is called as its file is.
std::string device_name(const std::string& file) {
  return std::filesystem::path(file).stem().string();
}

std::string save_device(const BenchArguments& o) {
  const auto folder = std::filesystem::absolute(o.save_device).parent_path();
  if (!std::filesystem::is_directory(folder))  // said before a minute is spent
    fail("{}: cannot be written: there is no folder {}", o.save_device, folder.string());
  const auto results = fastest_visits(all_measured(o));
  const auto machine = calibrate_machine(results, device_name(o.save_device), version_number());
  write_file(o.save_device, "[" + to_json(machine.device).dump(2) + "]\n");
  if (o.output.format == Format::json) return calibration_json(machine).dump(2) + "\n";
  for (const auto& warning : bench_warnings(results)) tell(warning);
  if (o.output.format == Format::csv) return to_csv(calibration_numbers(machine));
  auto table = calibration_table(machine);
  table.notes.push_back(
      fmt::format("written to {0}: `vitals predict MODEL --device {0}`.", o.save_device));
  return render(table, o.output);
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

std::string check_usage(const BenchArguments& o, const Given& given) {
  if (given.has("--runs") && given.has("--seconds"))
    return "--runs and --seconds exclude each other";
  if (!o.second.empty() && (o.batches.size() > 1 || o.threads.size() > 1))
    return "two models are compared at one --batch and one --threads";
  if (o.model.model.empty() && o.save_device.empty()) return "MODEL is required";
  if (o.save_device.empty()) return "";
  if (o.threads.size() > 1) return "--save-device takes one --threads";
  if (find_device(device_name(o.save_device)) != nullptr)
    return fmt::format("--save-device: '{}' is a built-in device; call the file otherwise",
                       device_name(o.save_device));
  return "";
}

}  // namespace

BenchResult bench_model(const ModelOptions& model, const std::string& name) {
  BenchArguments o;
  o.model = model;
  o.model.model = name;
  auto results = all_measured(o);
  for (const auto& warning : bench_warnings(results)) tell(warning);
  return std::move(results.front());
}

Command bench_command() {
  auto o = std::make_shared<BenchArguments>();
  Command c{"bench", "A real forward pass on this machine: measured beside theoretical"};
  add_model_options(c, o->model, true, false);
  c.options.front().required = false;  // --save-device has models of its own
  c.text("second", o->second, "MODEL", "A second model, to compare with");
  c.group = "Measuring";
  c.counts("--batch", o->batches,
           "Samples in a batch; several (1,2,4,8) make a sweep (1; 1,8 to calibrate)");
  c.counts("--threads", o->threads, "Threads, one a CPU if not given; several make a sweep",
           kThreads);
  c.add("--seconds", "S", "How long to measure", seconds_into(o->seconds)).initial = "3";
  c.count("--runs", o->runs, "How many runs to measure, instead of a time",
          {1, std::uint64_t{1} << 20});
  c.flag("--fresh", o->fresh, "Measure the machine's limits anew, whatever is remembered");
  c.text("--save-device", o->save_device, "FILE",
         "Calibrate this machine for `vitals predict --device FILE`; without MODEL on a set of "
         "models of its own (some two minutes)");
  add_compute_options(c, o->compute);
  add_output_options(c, o->output);
  c.examples = {"vitals bench vit_base_patch32",
                "vitals bench vit_base_patch16_224 --batch 1,2,4,8 --threads 1,2",
                "vitals bench vit_small_patch16_224 deit_small_patch16_224",
                "vitals bench my_vit.json --precision bf16 --format json",
                "vitals bench --save-device my-machine.json"};
  c.check = [o](const Given& given) { return check_usage(*o, given); };
  c.run = [o] { deliver(o->save_device.empty() ? bench_text(*o) : save_device(*o), o->output); };
  return c;
}

}  // namespace vitals::cli
