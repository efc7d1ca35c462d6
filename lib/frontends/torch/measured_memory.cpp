#include "frontends/torch/measured_memory.h"

#include "core/error.h"
#include "frontends/spec/json_text.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace vitals {
namespace {

using nlohmann::json;

constexpr std::size_t kMostBytes = std::size_t{512} << 20U;
constexpr const char* kPeak = "allocated_bytes.all.peak";

class MeasuredReader {
 public:
  explicit MeasuredReader(std::string path) : path_(std::move(path)) {}

  MeasuredMemory read() {
    const auto whole = parse_json(read_text(path_, kMostBytes), path_,
                                  "what torch.cuda.memory_stats() and _snapshot() return");
    if (!whole.is_object()) wrong("", "must be an object");
    MeasuredMemory m;
    const auto* stats = whole.contains("stats") ? &whole["stats"] : &whole;
    const auto* snapshot = whole.contains("snapshot") ? &whole["snapshot"] : &whole;
    if (stats->is_object() && stats->contains(kPeak)) m.peak = count(*stats, kPeak, "/stats");
    if (snapshot->is_object() && snapshot->contains("device_traces")) m.trace = trace(*snapshot);
    if (!m.peak && !m.trace)
      wrong("", fmt::format("has neither '{}' (torch.cuda.memory_stats()) nor 'device_traces' "
                            "(torch.cuda.memory._snapshot())",
                            kPeak));
    return m;
  }

 private:
  [[noreturn]] void wrong(const std::string& at, const std::string& what) const {
    fail("{}: {}{}{}", path_, at, at.empty() ? "" : ": ", what);
  }

  [[nodiscard]] Count count(const json& object, const char* key, const std::string& at) const {
    if (!object.contains(key) || !object[key].is_number_unsigned())
      wrong(at + "/" + key, "must be a whole number of bytes");
    return object[key].get<std::uint64_t>();
  }

  [[nodiscard]] MeasuredMemory::Trace trace(const json& snapshot) const {
    const auto& traces = snapshot["device_traces"];
    if (!traces.is_array()) wrong("/device_traces", "must be an array, one list a device");
    std::size_t most = 0;
    for (std::size_t i = 0; i < traces.size(); ++i) {
      if (!traces[i].is_array())
        wrong(fmt::format("/device_traces/{}", i), "must be an array of events");
      if (traces[i].size() > traces[most].size()) most = i;
    }
    if (traces.empty() || traces[most].empty())
      wrong("/device_traces",
            "holds no event: call torch.cuda.memory._record_memory_history() before the step");
    MeasuredMemory::Trace result;
    Count made;
    Count freed;
    for (std::size_t i = 0; i < traces[most].size(); ++i) {
      const auto& event = traces[most][i];
      const auto at = fmt::format("/device_traces/{}/{}", most, i);
      if (!event.is_object() || !event.contains("action") || !event["action"].is_string())
        wrong(at, "must be an object with an 'action'");
      const auto& action = event["action"].get_ref<const std::string&>();
      const bool is_free = action == "free_completed";
      if (action != "alloc" && !is_free) continue;
      const auto bytes = count(event, "size", at);
      (is_free ? freed : made) += bytes;
      result.events.push_back({bytes, is_free, frame(event)});
    }
    const auto end = live_at_end(snapshot, most);
    result.start = end + freed > made ? end + freed - made : Count(0);
    return result;
  }

  [[nodiscard]] Count live_at_end(const json& snapshot, std::size_t device) const {
    Count bytes;
    if (!snapshot.contains("segments") || !snapshot["segments"].is_array()) return bytes;
    for (const auto& segment : snapshot["segments"]) {
      if (!segment.is_object() || segment.value("device", json(0)) != device) continue;
      if (segment.contains("allocated_size"))
        bytes += count(segment, "allocated_size", "/segments");
    }
    return bytes;
  }

  // The innermost frame of a Python file.
  static std::string frame(const json& event) {
    if (!event.contains("frames") || !event["frames"].is_array()) return "";
    for (const auto& f : event["frames"]) {
      if (!f.is_object() || !f.contains("filename") || !f["filename"].is_string()) continue;
      const auto& file = f["filename"].get_ref<const std::string&>();
      if (!file.ends_with(".py")) continue;
      const auto line = f.value("line", json(0));
      const auto name = f.value("name", json(""));
      return fmt::format("{}:{}:{}", file.substr(file.rfind('/') + 1),
                         line.is_number_unsigned() ? line.get<std::uint64_t>() : 0,
                         name.is_string() ? name.get<std::string>() : "");
    }
    return "";
  }

  std::string path_;
};

}  // namespace

MeasuredMemory read_measured_memory(const std::string& path) { return MeasuredReader(path).read(); }

}  // namespace vitals
