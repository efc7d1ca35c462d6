#include "report/memory_measured.h"

#include "report/text/units.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace vitals {
namespace {

constexpr std::uint64_t kLeast = std::uint64_t{1} << 20;
constexpr std::uint64_t kBlockBytes = 512;  // of CUDA's caching allocator

std::uint64_t rounded(Count bytes) {
  return (bytes.value() + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
}

void follow(MeasuredBeside::Levels& levels, Count bytes, bool freed) {
  levels.end = freed ? levels.end - std::min(bytes, levels.end) : levels.end + bytes;
  levels.peak = std::max(levels.peak, levels.end);
}

using Sides = std::vector<MeasuredBeside::Side>;

Sides large_of(const MeasuredMemory::Trace& trace) {
  Sides sides;
  for (const auto& event : trace.events)
    if (!event.freed && event.bytes >= Count(kLeast))
      sides.push_back({rounded(event.bytes), event.where});
  return sides;
}

Sides large_of(const Graph& graph, const eager::MemoryRecord& record) {
  Sides sides;
  for (const auto& event : record.log.step) {
    if (event.freed || event.bytes < kLeast) continue;
    const auto& label = record.made[event.allocation - 1].label;
    const auto path = path_of(graph, label);
    sides.push_back({rounded(event.bytes),
                     fmt::format("{} of {}", label.op, path.empty() ? graph.model : path)});
  }
  return sides;
}

std::string side_text(const std::optional<MeasuredBeside::Side>& side) {
  if (!side) return "no further one";
  return fmt::format("{}{}", binary_bytes(side->bytes),
                     side->where.empty() ? "" : fmt::format(" ({})", side->where));
}

}  // namespace

MeasuredBeside beside(const Graph& graph, const MemoryEstimate& e, const MeasuredMemory& m) {
  MeasuredBeside c;
  for (const auto& event : e.record.log.before) follow(c.predicted, event.bytes, event.freed);
  c.predicted.start = c.predicted.peak = c.predicted.end;
  for (const auto& event : e.record.log.step) follow(c.predicted, event.bytes, event.freed);
  if (m.trace) {
    c.measured = MeasuredBeside::Levels{m.trace->start, m.trace->start, m.trace->start};
    for (const auto& event : m.trace->events) follow(*c.measured, event.bytes, event.freed);
    const auto ours = large_of(graph, e.record);
    const auto theirs = large_of(*m.trace);
    while (c.alike < std::min(ours.size(), theirs.size()) &&
           ours[c.alike].bytes == theirs[c.alike].bytes)
      ++c.alike;
    if (c.alike < ours.size()) c.then_predicted = ours[c.alike];
    if (c.alike < theirs.size()) c.then_measured = theirs[c.alike];
  }
  c.measured_peak = m.peak ? *m.peak : c.measured->peak;
  return c;
}

Table measured_table(const MeasuredBeside& c) {
  Table table{{{"measured beside predicted"},
               {"measured", true},
               {"predicted", true},
               {"predicted is off by", true}},
              {},
              {}};
  const auto row = [&](const char* name, Count measured, Count predicted) {
    const auto off =
        measured > Count(0)
            ? fmt::format("{:+.2f} %", 100 * (predicted.as_double() / measured.as_double() - 1))
            : std::string("-");
    table.rows.push_back({name, binary_bytes(measured), binary_bytes(predicted), off});
  };
  if (c.measured) row("before the step", c.measured->start, c.predicted.start);
  row("peak", c.measured_peak, c.predicted.peak);
  if (c.measured) row("after the step", c.measured->end, c.predicted.end);
  return table;
}

std::string measured_sentence(const MeasuredBeside& c) {
  if (!c.measured) return "";
  if (!c.then_measured && !c.then_predicted)
    return fmt::format("All {} allocations of 1 MiB or more are alike.\n", c.alike);
  return fmt::format(
      "The first {} allocations of 1 MiB or more are alike; then vitals predicts {}, measured is "
      "{}.\n",
      c.alike, side_text(c.then_predicted), side_text(c.then_measured));
}

nlohmann::ordered_json measured_json(const MeasuredBeside& c) {
  using nlohmann::ordered_json;
  const auto side = [](const std::optional<MeasuredBeside::Side>& s) {
    return s ? ordered_json{{"bytes", s->bytes.value()}, {"where", s->where}}
             : ordered_json(nullptr);
  };
  ordered_json json = {{"peak", c.measured_peak.value()},
                       {"predicted_peak", c.predicted.peak.value()}};
  if (!c.measured) return json;
  json["start"] = c.measured->start.value();
  json["predicted_start"] = c.predicted.start.value();
  json["end"] = c.measured->end.value();
  json["predicted_end"] = c.predicted.end.value();
  json["alike"] = c.alike;
  json["then"] = {{"predicted", side(c.then_predicted)}, {"measured", side(c.then_measured)}};
  return json;
}

}  // namespace vitals
