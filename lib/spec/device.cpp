#include "spec/device.h"

#include "core/suggest.h"
#include "spec/json_text.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>

namespace vitals {

std::string_view device_table_json();  // written by tools/embed_text.py

const std::vector<DeviceSpec>& devices() {
  static const std::vector<DeviceSpec> all = [] {
    std::vector<DeviceSpec> table;
    for (const auto& d : parse_json(device_table_json(), "built-in devices")) {
      const auto bytes = d.at("memory_gib").get<double>() * std::exp2(30);
      DeviceSpec device{d.at("name"),
                        d.at("title"),
                        static_cast<std::uint64_t>(bytes),
                        d.at("bandwidth_gb_s").get<double>() * 1e9,
                        {},
                        d.at("source")};
      for (const auto& [type, tflops] : d.at("peak_tflops").items())
        device.peaks[type] = tflops.get<double>() * 1e12;
      table.push_back(std::move(device));
    }
    return table;
  }();
  return all;
}

const DeviceSpec* find_device(std::string_view name) {
  for (const auto& device : devices())
    if (device.name == name) return &device;
  return nullptr;
}

namespace {

// Of 106 training runs on an RTX 3090 (timm's benchmark of July 2022) all with a predicted peak
// below 89 % of its memory ran, and all above 90.6 % did not.
constexpr double kUsableShare = 0.9;

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

double unit_of(std::string_view unit) {
  constexpr std::pair<std::string_view, double> kUnits[] = {
      {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40}};
  for (const auto& [name, bytes] : kUnits)
    if (equal_ignoring_case(name, unit)) return bytes;
  return 0;
}

}  // namespace

MemoryBudget memory_budget(const std::string& text) {
  if (const auto* device = find_device(text); device != nullptr) {
    const auto usable = device->memory.as_double() * kUsableShare;
    return {static_cast<std::uint64_t>(usable),
            fmt::format("{:.0f} % of the {}'s {:.0f} GiB", 100 * kUsableShare, device->title,
                        device->memory.as_double() / 0x1p30)};
  }
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  const double unit = unit_of(end);
  const bool digits = !text.empty() && text.find_first_not_of("0123456789.") != 0;
  if (digits && *end == '\0')
    fail("'{}' has no unit: write {}GB (10^9 bytes) or {}GiB (2^30 bytes)", text, text, text);
  if (!digits || unit == 0 || !(number > 0) || number * unit > 1e18)
    fail("'{}' is neither a size like 24GB or 24GiB nor a known device{}", text,
         did_you_mean(text, device_names()));
  return {static_cast<std::uint64_t>(number * unit), text};
}

std::vector<std::string> device_names() {
  std::vector<std::string> names;
  for (const auto& device : devices()) names.push_back(device.name);
  return names;
}

}  // namespace vitals
