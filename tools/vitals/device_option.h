// --device and --device-file, as all commands take them: a built-in name, a name of a file of one's
// own, or a file that holds one device. No arithmetic here.
#pragma once

#include "command_line.h"
#include "frontends/devices/device_file.h"

#include <optional>
#include <string>
#include <vector>

namespace vitals::cli {

struct DeviceChoice {
  std::string name;  // empty: none was asked for
  std::string file;  // of devices beside the built-in ones
};

// Adds both and returns --device.
Option& add_device_options(Command& command, DeviceChoice& choice, const std::string& doc);

// What is wrong with a name that no file can explain; `words` are taken beside names.
[[nodiscard]] std::string device_fault(const DeviceChoice& choice,
                                       const std::vector<std::string>& words = {});

// The built-in devices and those of a file, if there is one.
[[nodiscard]] std::vector<DeviceSpec> known_devices(const std::string& file);

// Empty where nothing is called so. Throws Error for faults of the files.
[[nodiscard]] std::optional<DeviceSpec> find_known(const DeviceChoice& choice);
// Throws Error there.
[[nodiscard]] DeviceSpec chosen_device(const DeviceChoice& choice);

}  // namespace vitals::cli
