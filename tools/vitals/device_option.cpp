#include "device_option.h"

#include "command.h"
#include "core/error.h"
#include "core/suggest.h"

#include <algorithm>

namespace vitals::cli {
namespace {

bool names_file(const std::string& name) { return name.ends_with(".json"); }

// The device of a file that holds one, as `vitals bench --save-device` writes it.
DeviceSpec only_device(const std::string& file) {
  auto held = devices_in(file);
  if (held.size() != 1)
    fail("{} holds {} devices: say which with --device-file {} --device NAME", file, held.size(),
         file);
  return std::move(held.front());
}

std::string unknown(const std::string& name, const std::vector<std::string>& known) {
  const auto hint = did_you_mean(name, known);
  return fmt::format("--device: unknown device '{}'{}", name,
                     hint.empty() ? "; `vitals devices` shows the known ones" : hint);
}

}  // namespace

Option& add_device_options(Command& c, DeviceChoice& o, const std::string& doc) {
  const auto place = c.options.size();
  c.text("--device", o.name, "NAME", doc).reads = [](const std::string& name) {
    return names_file(name) ? std::vector{name} : std::vector<std::string>();
  };
  c.text("--device-file", o.file, "FILE",
         "More devices, as JSON in the format of specs/devices.json")
      .reads = itself;
  return c.options[place];
}

std::string device_fault(const DeviceChoice& o, const std::vector<std::string>& words) {
  if (o.name.empty() || !o.file.empty() || names_file(o.name)) return "";
  auto known = device_names();
  known.insert(known.end(), words.begin(), words.end());
  if (std::find(known.begin(), known.end(), o.name) != known.end()) return "";
  return unknown(o.name, known);
}

std::vector<DeviceSpec> known_devices(const std::string& file) {
  return file.empty() ? devices() : devices_with(file);
}

std::optional<DeviceSpec> find_known(const DeviceChoice& o) {
  for (auto& device : known_devices(o.file))
    if (device.name == o.name) return std::move(device);
  if (names_file(o.name)) return only_device(o.name);
  return std::nullopt;
}

DeviceSpec chosen_device(const DeviceChoice& o) {
  if (auto found = find_known(o)) return std::move(*found);
  std::vector<std::string> names;
  for (const auto& device : known_devices(o.file)) names.push_back(device.name);
  fail("{}", unknown(o.name, names));
}

}  // namespace vitals::cli
