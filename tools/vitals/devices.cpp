#include "command.h"
#include "device_option.h"
#include "frontends/devices/calibration.h"
#include "report/latency.h"

#include <nlohmann/json.hpp>

#include <memory>

namespace vitals::cli {
namespace {

struct DevicesArguments {
  std::string file;
  OutputOptions output;
};

// "training eager amp", once for all PyTorch versions.
std::vector<std::string> ways(const DeviceSpec& device) {
  auto known = device.calibrations;
  known.insert(known.end(), calibrations().begin(), calibrations().end());
  std::vector<std::string> result;
  for (const auto& c : known) {
    auto way = fmt::format("{} {} {}", c.training ? "training" : "inference",
                           c.own_kernels() ? "vitals bench"
                           : c.compiled    ? "compiled"
                                           : "eager",
                           c.precision);
    if (c.device == device.name && std::find(result.begin(), result.end(), way) == result.end())
      result.push_back(std::move(way));
  }
  return result;
}

std::string devices_text(const DevicesArguments& o) {
  std::vector<DeviceRow> rows;
  for (const auto& d : known_devices(o.file))
    rows.push_back({d.name, d.title, d.memory,
                    d.memory ? std::optional(memory_budget(d).bytes) : std::nullopt, d.machine,
                    ways(d), d.source});
  return written({.json = [&] { return devices_json(rows); },
                  .numbers = [&] { return device_numbers(rows); },
                  .page = [&] { return render(device_table(rows), o.output); }},
                 o.output);
}

}  // namespace

Command devices_command() {
  auto o = std::make_shared<DevicesArguments>();
  Command c{"devices", "The known devices and what they can do"};
  c.text("--device-file", o->file, "FILE",
         "More devices, as JSON in the format of specs/devices.json")
      .reads = itself;
  add_output_options(c, o->output, false);
  c.examples = {"vitals devices", "vitals devices --device-file my_gpus.json",
                "vitals devices --format json"};
  c.run = [o] { deliver(devices_text(*o), o->output); };
  return c;
}

}  // namespace vitals::cli
