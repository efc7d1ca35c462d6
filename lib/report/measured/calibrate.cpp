#include "report/measured/calibrate.h"

#include "report/text/units.h"

#include <nlohmann/json.hpp>

namespace vitals {

Table calibration_table(const CalibratedMachine& machine) {
  Table table{
      {{"model"}, {"batch", true}, {"fastest ms", true}, {"predicted ms", true}, {"error", true}},
      {},
      {}};
  for (const auto& one : machine.cases)
    table.rows.push_back(
        {one.model, fmt::format("{}", one.batch), fmt::format("{:.2f}", one.measured_ms),
         fmt::format("{:.2f}", one.predicted_ms), fmt::format("{:+.1f} %", 100 * one.error())});
  const auto& d = machine.device;
  const auto& c = d.calibrations.front();
  table.notes.push_back(fmt::format("{}: {} FLOP/s in fp32, {} in bf16, {}B/s read (measured).",
                                    d.title, si(*d.machine.fp32), si(*d.machine.bf16),
                                    si(d.machine.bandwidth)));
  table.notes.push_back(fmt::format(
      "predicted: by a fit on the others; the error is that of samples/s. Median {:.1f} %, nine in "
      "ten within {:.1f} %; FLOPs alone, with the one rate that is best here: {:.1f} %.",
      c.errors.median, c.errors.p90, c.errors.flops_only));
  return table;
}

Table calibration_numbers(const CalibratedMachine& machine) {
  Table table{{{"model"}, {"batch"}, {"measured_ms"}, {"predicted_ms"}, {"error"}}, {}, {}};
  for (const auto& one : machine.cases)
    table.rows.push_back(
        {one.model, fmt::format("{}", one.batch), fmt::format("{:.6g}", one.measured_ms),
         fmt::format("{:.6g}", one.predicted_ms), fmt::format("{:.6g}", one.error())});
  return table;
}

nlohmann::ordered_json calibration_json(const CalibratedMachine& machine) {
  auto cases = nlohmann::ordered_json::array();
  for (const auto& one : machine.cases)
    cases.push_back({{"model", one.model},
                     {"batch", one.batch},
                     {"measured_ms", one.measured_ms},
                     {"predicted_ms", one.predicted_ms},
                     {"error", one.error()}});
  return {{"schema_version", 1}, {"device", to_json(machine.device)}, {"cases", std::move(cases)}};
}

}  // namespace vitals
