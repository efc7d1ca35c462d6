#include "save_device.h"

#include "core/error.h"
#include "core/file.h"
#include "report/measured/calibrate.h"
#include "terminal.h"
#include "version.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>

namespace vitals::cli {
namespace {

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

}  // namespace

std::string device_name(const std::string& file) {
  return std::filesystem::path(file).stem().string();
}

std::string save_device(const BenchArguments& arguments) {
  const auto results = fastest_visits(measure(arguments));
  const auto machine =
      calibrate_machine(results, device_name(arguments.save_device), version_number());
  write_file(arguments.save_device, "[" + to_json(machine.device).dump(2) + "]\n");
  for (const auto& warning : bench_warnings(results)) tell(warning);
  auto table = calibration_table(machine);
  table.notes.push_back(
      fmt::format("written to {0}: `vitals predict MODEL --device {0}`.", arguments.save_device));
  return written({.json = [&] { return calibration_json(machine); },
                  .numbers = [&] { return calibration_numbers(machine); },
                  .page = [&] { return render(table, arguments.output); }},
                 arguments.output);
}

}  // namespace vitals::cli
