
#include "bench_runs.h"
#include "core/error.h"
#include "core/number.h"
#include "frontends/devices/device_file.h"
#include "frontends/spec/load.h"
#include "report/text/wrap.h"
#include "save_device.h"
#include "terminal.h"

#include <nlohmann/json.hpp>

#include <memory>

namespace vitals::cli {
namespace {

nlohmann::ordered_json json_of(const BenchArguments& o, std::span<const BenchResult> results) {
  if (results.size() == 1) return bench_json(results.front());
  auto list = nlohmann::ordered_json::array();
  for (const auto& r : results) list.push_back(bench_json(r));
  nlohmann::ordered_json json = {{"schema_version", 1}};
  json[o.second.empty() ? "sweep" : "models"] = std::move(list);
  if (!o.second.empty()) json["time_ratio"] = time_ratio_json(results.front(), results.back());
  return json;
}

Table numbers_of(const BenchArguments& o, std::span<const BenchResult> results) {
  if (!o.second.empty()) return bench_comparison_raw(results.front(), results.back());
  return results.size() > 1 ? bench_sweep_raw(results) : bench_ops_raw(results.front());
}

std::string page_of(const BenchArguments& o, std::span<const BenchResult> results) {
  const auto& first = results.front();
  const auto width = text_layout(o.output).width;
  const auto heading = wrapped(bench_heading(first), width) + "\n";
  if (!o.second.empty())
    return heading + render(bench_comparison(first, results.back()), o.output) + "\n" +
           render(bench_comparison_by_kind(first, results.back()), o.output);
  if (results.size() > 1) return heading + render(bench_sweep(results), o.output);
  const auto text = heading + wrapped(bench_totals(first, o.output.details), width) + "\n" +
                    render(bench_ops(first, o.output.details), o.output);
  return o.output.details ? text : text + more(o.output, "every op, with FLOPs, bytes and rates");
}

std::string bench_text(const BenchArguments& o) {
  const auto results = measure(o);
  if (o.output.format != Format::json)  // which holds them
    for (const auto& warning : bench_warnings(results)) tell(warning);
  return written({.json = [&] { return json_of(o, results); },
                  .numbers = [&] { return numbers_of(o, results); },
                  .page = [&] { return page_of(o, results); }},
                 o.output);
}

// A number of seconds.
Check seconds_into(double& target, double least) {
  return [&target, least](const std::string& text) {
    constexpr double kMost = 86400;
    const auto seconds = parse_number(text);
    if (!seconds || *seconds < least || *seconds > kMost)
      return fmt::format("'{}' is not a number of seconds from {} to {}", text, least, kMost);
    target = *seconds;
    return std::string();
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
  const auto* built_in = find_device(device_name(o.save_device));
  if (built_in != nullptr && built_in->name == device_name(o.save_device))
    return fmt::format("--save-device: '{}' is a built-in device; call the file otherwise",
                       device_name(o.save_device));
  return "";
}

}  // namespace

Command bench_command() {
  auto o = std::make_shared<BenchArguments>();
  Command c{"bench", "A real forward pass on this machine: measured beside theoretical"};
  add_model_options(c, o->model, {.batch = false});
  c.options.front().required = false;  // --save-device has models of its own
  c.text("second", o->second, "MODEL", "A second model, to compare with").reads = files_of_model;
  c.group = "Measuring";
  c.counts("--batch", o->batches,
           "Samples in a batch; several (1,2,4,8) make a sweep (1; 1,8 to calibrate)");
  c.counts("--threads", o->threads, "Threads, one a CPU if not given; several make a sweep",
           kThreads);
  c.add("--warmup", "S", "How long to warm up at the least; 0: a single run",
        seconds_into(o->warm_up_seconds, 0))
      .initial = "0.2";
  c.add("--seconds", "S", "How long to measure", seconds_into(o->seconds, 0.01)).initial = "3";
  c.count("--runs", o->runs, "How many runs to measure, instead of a time",
          {1, std::uint64_t{1} << 20});
  c.flag("--fresh", o->fresh, "Measure the machine's limits anew, whatever is remembered");
  c.text("--save-device", o->save_device, "FILE",
         "Calibrate this machine for `vitals predict --device FILE`; without MODEL on a set of "
         "models of its own (some two minutes)")
      .writes = true;
  add_compute_options(c, o->compute);
  add_output_options(c, o->output);
  add_details(c, o->output);
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
