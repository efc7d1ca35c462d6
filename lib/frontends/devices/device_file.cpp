#include "frontends/devices/device_file.h"

#include "core/amount.h"
#include "core/suggest.h"
#include "core/text.h"
#include "frontends/spec/json_text.h"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace vitals {

std::string_view device_table_json();  // written by tools/embed_text.py

namespace {

using nlohmann::json;

constexpr GpuRuntime kRuntimes[] = {GpuRuntime::cuda, GpuRuntime::rocm, GpuRuntime::mps,
                                    GpuRuntime::xpu};

// One device of a table; `at` names its place in messages.
class Entry {
 public:
  Entry(const json& value, std::string at) : value_(value), at_(std::move(at)) {
    if (!value.is_object()) fail("{}: a device is an object", at_);
    static const std::vector<std::string> known = {
        "name",      "title", "kind",  "memory_gib",   "peak_tflops", "bandwidth_gb_s", "cache_mib",
        "link_gb_s", "units", "maker", "calibrations", "runtime",     "source"};
    check_keys(value, known, at_);
  }

  [[nodiscard]] DeviceSpec read() const {
    DeviceSpec d;
    d.name = text("name", true);
    d.title = value_.contains("title") ? text("title", true) : d.name;
    d.source = value_.contains("source") ? text("source", true) : "";
    if (value_.contains("memory_gib"))
      d.memory = static_cast<std::uint64_t>(number(value_, "memory_gib", at_) * std::exp2(30));
    d.machine.kind = kind();
    d.runtime = runtime();
    if (value_.contains("maker")) d.machine.maker = text("maker", true);
    d.machine.bandwidth = number(value_, "bandwidth_gb_s", at_) * 1e9;
    if (value_.contains("cache_mib"))
      d.machine.cache = number(value_, "cache_mib", at_) * std::exp2(20);
    if (value_.contains("link_gb_s")) d.machine.link = number(value_, "link_gb_s", at_) * 1e9;
    if (value_.contains("units"))
      d.machine.units = static_cast<std::uint64_t>(std::max(1.0, number(value_, "units", at_)));
    read_peaks(d.machine);
    if (value_.contains("calibrations")) read_calibrations(d);
    return d;
  }

 private:
  static void check_keys(const json& object, const std::vector<std::string>& known,
                         const std::string& at) {
    for (const auto& item : object.items())
      if (std::find(known.begin(), known.end(), item.key()) == known.end())
        fail("{}/{}: unknown key{}", at, item.key(), did_you_mean(item.key(), known));
  }
  static double number(const json& object, const char* key, const std::string& at) {
    if (!object.contains(key)) fail("{}/{}: is missing", at, key);
    const auto& value = object.at(key);
    if (!value.is_number() || !(value.get<double>() > 0) || value.get<double>() > 1e9)
      fail("{}/{}: must be a positive number", at, key);
    return value.get<double>();
  }
  [[nodiscard]] std::string text(const char* key, bool required) const {
    if (!value_.contains(key) && required) fail("{}/{}: is missing", at_, key);
    if (!value_.at(key).is_string()) fail("{}/{}: must be a string", at_, key);
    auto text = value_.at(key).get<std::string>();
    if (!is_printable_line(text)) fail("{}/{}: '{}' holds a control character", at_, key, text);
    return text;
  }
  [[nodiscard]] MachineKind kind() const {
    const auto kind = value_.contains("kind") ? text("kind", true) : "gpu";
    if (kind != "gpu" && kind != "cpu") fail("{}/kind: must be \"gpu\" or \"cpu\"", at_);
    return kind == "cpu" ? MachineKind::cpu : MachineKind::gpu;
  }
  [[nodiscard]] GpuRuntime runtime() const {
    if (!value_.contains("runtime")) return GpuRuntime::cuda;
    const auto name = text("runtime", true);
    for (const auto known : kRuntimes)
      if (name_of(known) == name) return known;
    fail("{}/runtime: must be \"cuda\", \"rocm\", \"mps\" or \"xpu\", got \"{}\"", at_, name);
  }
  void read_peaks(Machine& machine) const {
    if (!value_.contains("peak_tflops") || !value_.at("peak_tflops").is_object())
      fail("{}/peak_tflops: must be an object like {{\"fp32\": 35.6, \"fp16\": 71}}", at_);
    const auto& tflops = value_.at("peak_tflops");
    const auto place = at_ + "/peak_tflops";
    check_keys(tflops, {"fp32", "tf32", "fp16", "bf16", "fp8", "fp4"}, place);
    auto peak = [&](const char* key, std::optional<double>& value) {
      if (tflops.contains(key)) value = number(tflops, key, place) * 1e12;
    };
    peak("fp32", machine.fp32);
    peak("tf32", machine.tf32);
    peak("fp16", machine.fp16);
    peak("bf16", machine.bf16);
    peak("fp8", machine.fp8);
    peak("fp4", machine.fp4);
  }

  void read_calibrations(DeviceSpec& d) const {
    const auto& list = value_.at("calibrations");
    if (!list.is_array()) fail("{}/calibrations: must be an array of objects", at_);
    for (std::size_t i = 0; i < list.size(); ++i) {
      const auto place = fmt::format("{}/calibrations/{}", at_, i);
      d.calibrations.push_back(calibration_from(list[i], place));
      if (d.calibrations.back().device != d.name)
        fail("{}/device: must be '{}', the name of the device that it stands in", place, d.name);
    }
  }

  const json& value_;
  std::string at_;
};

std::vector<DeviceSpec> read_table(const json& table, const std::string& source) {
  if (!table.is_array()) fail("{}: devices are an array of objects", source);
  std::vector<DeviceSpec> result;
  for (std::size_t i = 0; i < table.size(); ++i) {
    auto device = Entry(table[i], fmt::format("{}: /{}", source, i)).read();
    for (const auto& other : result)
      if (other.name == device.name)
        fail("{}: /{}/name: another device is called '{}', too", source, i, device.name);
    result.push_back(std::move(device));
  }
  return result;
}

}  // namespace

const std::vector<DeviceSpec>& devices() {
  static const std::vector<DeviceSpec> all = [] {
    const std::string source = "built-in devices";
    return read_table(parse_json(device_table_json(), source), source);
  }();
  return all;
}

std::vector<DeviceSpec> devices_in(const std::string& path) {
  return read_table(parse_json(read_text(path), path, "a JSON array of devices"), path);
}

std::vector<DeviceSpec> devices_with(const std::string& path) {
  auto all = devices();
  for (auto& own : devices_in(path)) {
    const auto same = [&](const DeviceSpec& d) { return d.name == own.name; };
    const auto known = std::find_if(all.begin(), all.end(), same);
    if (known != all.end())
      *known = std::move(own);
    else
      all.push_back(std::move(own));
  }
  return all;
}

nlohmann::ordered_json to_json(const DeviceSpec& d) {
  nlohmann::ordered_json peaks = nlohmann::ordered_json::object();
  auto peak = [&](const char* key, const std::optional<double>& value) {
    if (value) peaks[key] = *value / 1e12;
  };
  peak("fp32", d.machine.fp32);
  peak("tf32", d.machine.tf32);
  peak("fp16", d.machine.fp16);
  peak("bf16", d.machine.bf16);
  peak("fp8", d.machine.fp8);
  peak("fp4", d.machine.fp4);
  nlohmann::ordered_json json = {{"name", d.name},
                                 {"title", d.title},
                                 {"kind", d.machine.kind == MachineKind::cpu ? "cpu" : "gpu"}};
  if (d.runtime != GpuRuntime::cuda) json["runtime"] = name_of(d.runtime);
  if (!d.machine.maker.empty()) json["maker"] = d.machine.maker;
  if (d.memory) json["memory_gib"] = d.memory->as_double() / 0x1p30;
  json["bandwidth_gb_s"] = d.machine.bandwidth / 1e9;
  json["peak_tflops"] = std::move(peaks);
  if (d.machine.cache > 0) json["cache_mib"] = d.machine.cache / 0x1p20;
  if (d.machine.link > 0) json["link_gb_s"] = d.machine.link / 1e9;
  json["units"] = d.machine.units;
  json["source"] = d.source;
  if (d.calibrations.empty()) return json;
  auto& list = json["calibrations"] = nlohmann::ordered_json::array();
  for (const auto& c : d.calibrations) list.push_back(to_json(c));
  return json;
}

namespace {

// Letters and digits, in lower case.
std::string bare(std::string_view text) {
  std::string result;
  for (const char c : lower_case(text))
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) result += c;
  return result;
}

// "3090" of "rtx3090", "a100" of "a100-80gb": whole but for the maker's word before it and the size
// after it.
bool may_mean(std::string_view text, const DeviceSpec& device) {
  const auto name = bare(device.name);
  if (text == name || text == bare(device.title)) return true;
  if (text.size() < 4) return false;  // "m1", "l4", "t4" are names themselves
  const auto has_digit = text.find_first_of("0123456789") != std::string_view::npos;
  if (!has_digit) return false;
  const auto family = bare(device.name.substr(0, device.name.find('-')));
  return text == family || (family.starts_with("rtx") && text == family.substr(3));
}

}  // namespace

std::vector<std::string> devices_meant(std::string_view text) {
  std::vector<std::string> names;
  const auto wanted = bare(text);
  for (const auto& device : devices())
    if (may_mean(wanted, device)) names.push_back(device.name);
  return names;
}

const DeviceSpec* find_device(std::string_view name) {
  for (const auto& device : devices())
    if (device.name == name) return &device;
  const auto meant = devices_meant(name);
  return meant.size() == 1 ? find_device(meant.front()) : nullptr;
}

std::string_view name_of(GpuRuntime runtime) {
  switch (runtime) {
    case GpuRuntime::cuda:
      return "cuda";
    case GpuRuntime::rocm:
      return "rocm";
    case GpuRuntime::mps:
      return "mps";
    case GpuRuntime::xpu:
      return "xpu";
  }
  return "?";
}

bool has_caching_allocator(const DeviceSpec& device) {
  return device.machine.kind == MachineKind::gpu &&
         (device.runtime == GpuRuntime::cuda || device.runtime == GpuRuntime::rocm);
}

namespace {

bool shares_memory(const DeviceSpec& device) {
  return device.machine.kind == MachineKind::cpu || device.runtime == GpuRuntime::mps;
}

}  // namespace

Count reserve_of(const DeviceSpec& device) {
  const auto memory = device.memory.value_or(0);
  return shares_memory(device) ? memory / 10 : Count(kGpuReserve);
}

std::string_view reserved_for(const DeviceSpec& device) {
  if (shares_memory(device)) return "the system";
  switch (device.runtime) {
    case GpuRuntime::cuda:
      return "CUDA";
    case GpuRuntime::rocm:
      return "ROCm";
    case GpuRuntime::mps:
    case GpuRuntime::xpu:
      break;
  }
  return "the driver";
}

MemoryBudget memory_budget(const DeviceSpec& device) {
  if (!device.memory)
    fail("'{}' states no memory of its own; give a size like 64GiB instead", device.name);
  const auto reserve = reserve_of(device);
  return {*device.memory - std::min(reserve, *device.memory),  // on a tiny device nothing is left
          fmt::format("the {}'s {:.0f} GiB less {:.1f} GiB for {}", device.title,
                      device.memory->as_double() / 0x1p30, reserve.as_double() / 0x1p30,
                      reserved_for(device))};
}

MemoryBudget memory_budget(const std::string& text) {
  if (const auto* device = find_device(text); device != nullptr) return memory_budget(*device);
  if (const auto meant = devices_meant(text); !meant.empty())
    fail("'{}' may mean {}: say which", text, fmt::join(meant, ", "));
  const auto amount = parse_amount(text, Unit::bytes);
  if (amount && !amount->suffix)
    fail("'{}' has no unit: write {}GB (10^9 bytes) or {}GiB (2^30 bytes)", text, text, text);
  if (!amount || amount->value < 1 || amount->value > 1e18)
    fail("'{}' is neither a size like 24GB or 24GiB nor a known device{}", text,
         did_you_mean(text, device_names()));
  return {static_cast<std::uint64_t>(amount->value), text};
}

std::vector<std::string> device_names() {
  std::vector<std::string> names;
  for (const auto& device : devices()) names.push_back(device.name);
  return names;
}

}  // namespace vitals
