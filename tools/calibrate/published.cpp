#include "published.h"

#include "core/error.h"
#include "frontends/devices/device_file.h"
#include "frontends/spec/builtin.h"
#include "frontends/spec/json_text.h"
#include "frontends/spec/spec.h"
#include "latency/execution.h"

#include <nlohmann/json.hpp>

#include <sstream>

namespace vitals::calibrate {
namespace {

using Row = std::map<std::string, std::string>;

std::vector<std::string> cells(const std::string& line) {
  std::vector<std::string> result;
  std::istringstream in(line);
  for (std::string cell; std::getline(in, cell, ',');) result.push_back(cell);
  return result;
}

std::vector<Row> read_csv(const std::string& path) {
  std::istringstream in(read_text(path));
  std::string line;
  std::getline(in, line);
  const auto header = cells(line);
  std::vector<Row> rows;
  while (std::getline(in, line)) {
    const auto values = cells(line);
    if (values.size() != header.size()) fail("{}: row {}: wrong number of cells", path, line);
    Row row;
    for (std::size_t i = 0; i < header.size(); ++i) row[header[i]] = values[i];
    rows.push_back(std::move(row));
  }
  return rows;
}

Measured measured(const Row& row, const Run& run, const latency::Way& way) {
  Measured m;
  m.model = row.at("model");
  m.batch = std::stoull(row.at("batch"));
  m.observation.seconds = std::stod(row.at("step_ms")) / 1e3;
  const auto model =
      with_overrides(builtin_model(m.model, ""), {{"img_size", row.at("img_size"), "img_size"}});
  BuildOptions options;
  options.batch = m.batch;
  options.training = run.calibration.training;
  const bool fused = run.calibration.fused_attention && model.architecture->fused_attention;
  options.attention = fused ? AttentionKernel::fused : AttentionKernel::eager;
  const auto execution = latency::execution(way, run.setup.machine.kind, run.calibration.low_norms,
                                            model.architecture->name);
  const auto kernels = latency::kernels(model.build(options), execution);
  for (const auto& kernel : kernels) m.flops += kernel.flops;
  m.observation.kernels = latency::repeated(kernels);
  return m;
}

Run described(const nlohmann::json& d) {
  Run run;
  auto& c = run.calibration;
  c.run = d.at("run");
  c.device = d.at("device");
  c.training = d.at("training");
  c.compiled = d.at("compiled");
  c.precision = d.at("precision");
  c.pytorch = d.at("pytorch");
  c.channels_last = d.at("channels_last");
  c.fused_attention = d.at("fused_attention");
  c.low_norms = d.at("low_norms").get<std::vector<std::string>>();
  const auto* device = find_device(c.device);
  if (device == nullptr) fail("{}: unknown device {}", c.run, c.device);
  run.setup.machine = device->machine;
  return run;
}

}  // namespace

std::vector<Run> load_runs(const std::string& runs, const std::string& csv) {
  const auto rows = read_csv(csv);
  std::vector<Run> result;
  for (const auto& description : parse_json(read_text(runs), runs)) {
    auto run = described(description);
    auto& c = run.calibration;
    const latency::Way way{c.precision, c.compiled, c.training};
    run.setup.execution = latency::execution(way, run.setup.machine.kind, c.low_norms, "");
    run.setup.peak = latency::peak(run.setup.machine, run.setup.execution, c.device);
    for (const auto& row : rows)
      if (row.at("run") == c.run) run.models.push_back(measured(row, run, way));
    if (run.models.empty()) fail("{}: no rows in {}", c.run, csv);
    c.batches = {run.models.front().batch, run.models.front().batch};
    for (const auto& m : run.models)
      c.batches = {std::min(c.batches.first, m.batch), std::max(c.batches.second, m.batch)};
    result.push_back(std::move(run));
  }
  return result;
}

}  // namespace vitals::calibrate
