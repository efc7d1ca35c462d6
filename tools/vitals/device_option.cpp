#include "device_option.h"

#include "command.h"
#include "core/error.h"
#include "core/suggest.h"

#include <fmt/ranges.h>

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
  if (const auto meant = devices_meant(name); !meant.empty())
    return fmt::format("--device: '{}' may mean {}: say which", name, fmt::join(meant, ", "));
  const auto hint = did_you_mean(name, known);
  return fmt::format("--device: unknown device '{}'{}", name,
                     hint.empty() ? "; `vitals devices` shows the known ones" : hint);
}

}  // namespace

Option& add_device_options(Command& c, DeviceChoice& choice, const std::string& doc) {
  const auto place = c.options.size();
  c.text("--device", choice.name, "NAME", doc).reads = [](const std::string& name) {
    return names_file(name) ? std::vector{name} : std::vector<std::string>();
  };
  c.text("--device-file", choice.file, "FILE",
         "More devices, as JSON in the format of specs/devices.json")
      .reads = itself;
  return c.options[place];
}

std::string device_fault(const DeviceChoice& choice, const std::vector<std::string>& words) {
  if (choice.name.empty() || !choice.file.empty() || names_file(choice.name)) return "";
  auto known = device_names();
  known.insert(known.end(), words.begin(), words.end());
  if (std::find(known.begin(), known.end(), choice.name) != known.end()) return "";
  if (find_device(choice.name) != nullptr) return "";
  return unknown(choice.name, known);
}

std::vector<DeviceSpec> known_devices(const std::string& file) {
  return file.empty() ? devices() : devices_with(file);
}

std::optional<DeviceSpec> find_known(const DeviceChoice& choice) {
  for (auto& device : known_devices(choice.file))
    if (device.name == choice.name) return std::move(device);
  if (names_file(choice.name)) return only_device(choice.name);
  const auto* meant = find_device(choice.name);
  return meant == nullptr ? std::nullopt : std::optional(*meant);
}

DeviceSpec chosen_device(const DeviceChoice& choice) {
  if (auto found = find_known(choice)) return std::move(*found);
  std::vector<std::string> names;
  for (const auto& device : known_devices(choice.file)) names.push_back(device.name);
  fail("{}", unknown(choice.name, names));
}

}  // namespace vitals::cli
