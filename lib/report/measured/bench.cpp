#include "report/measured/bench.h"

#include "report/text/units.h"
#include "runtime/open_engine.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <map>

namespace vitals {
namespace {

using nlohmann::ordered_json;

// Three significant digits from a microsecond up.
std::string ms_text(double ms) {
  if (ms >= 100) return fmt::format("{:.0f}", ms);
  if (ms >= 10) return fmt::format("{:.1f}", ms);
  return ms >= 1 ? fmt::format("{:.2f}", ms) : fmt::format("{:.3f}", ms);
}

std::string rate_text(double value) {
  return value >= 100 ? fmt::format("{:.0f}", value) : fmt::format("{:.1f}", value);
}

std::vector<std::string> parts_of(const std::string& path) {
  std::vector<std::string> parts(1);
  for (char c : path) {
    if (c == '.')
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

bool is_index(const std::string& part) {
  return !part.empty() && part.find_first_not_of("0123456789") == std::string::npos;
}

// Ops of the same place in every block, summed.
struct Group {
  BenchOp sum;
  std::vector<std::string> parts;  // an index that differs among them becomes "*"
  std::size_t count = 0;

  void add(const BenchOp& op) {
    if (count++ == 0) {
      sum = op;
      parts = parts_of(op.path);
      return;
    }
    const auto others = parts_of(op.path);
    for (std::size_t i = 0; i < parts.size(); ++i)
      if (parts[i] != others[i]) parts[i] = "*";
    sum.flops += op.flops;
    sum.bytes += op.bytes;
    sum.ms += op.ms;
    sum.share += op.share;
    sum.roofline_ms += op.roofline_ms;
  }

  [[nodiscard]] std::string label() const {
    std::string text;
    for (const auto& part : parts) text += (text.empty() ? "" : ".") + part;
    if (text.empty()) text = "(model)";
    return count > 1 ? text + fmt::format(" ({}x)", count) : text;
  }
};

std::vector<Group> grouped_by_module(const std::vector<BenchOp>& ops) {
  std::vector<Group> groups;
  std::map<std::string, std::size_t> place;
  for (const auto& op : ops) {
    std::string key;
    for (const auto& part : parts_of(op.path)) key += is_index(part) ? "*." : part + ".";
    key += fmt::format("|{}|{}|{}", op.op, op.flops, op.bytes);
    const auto [it, added] = place.try_emplace(key, groups.size());
    if (added) groups.emplace_back();
    groups[it->second].add(op);
  }
  return groups;
}

// The columns that lead: time, and how far from the bound. The rest is work and traffic.
const std::vector<Column> kTimeColumns = {
    {"module"}, {"op"}, {"ms", true}, kShareColumn, {"of peak", true}, {"bound by"}};
const std::vector<Column> kWorkColumns = {
    {"roofline ms", true}, {"GFLOP/s", true}, {"FLOPs", true}, {"bytes", true}, {"FLOP/B", true}};

std::vector<std::string> op_row(const BenchOp& op, const std::string& label, double peak_gflops,
                                bool all) {
  const bool works = op.flops > 0 && op.ms > 0;
  const double rate = works ? static_cast<double>(op.flops) / (op.ms * 1e6) : 0;
  const double intensity = static_cast<double>(op.flops) / static_cast<double>(op.bytes);
  std::vector<std::string> row = {label,
                                  op.op,
                                  ms_text(op.ms),
                                  percent(op.share),
                                  works ? percent(rate / peak_gflops) : "-",
                                  op.compute_bound ? "compute" : "memory"};
  if (!all) return row;
  for (auto&& cell :
       {ms_text(op.roofline_ms), works ? rate_text(rate) : "-",
        op.flops > 0 ? si(static_cast<double>(op.flops)) : "-",
        binary_bytes(static_cast<double>(op.bytes)), op.flops > 0 ? rate_text(intensity) : "-"})
    row.push_back(cell);
  return row;
}

// Ops that take less of the time than this stand together on the first screen.
constexpr double kLeastShare = 0.01;

std::string mib(std::uint64_t bytes) { return binary_bytes(static_cast<double>(bytes)); }

}  // namespace

Table bench_ops(const BenchResult& r, bool all) {
  Table table{kTimeColumns, {}, {}};
  if (all) table.columns.insert(table.columns.end(), kWorkColumns.begin(), kWorkColumns.end());
  BenchOp whole;
  BenchOp small;
  std::size_t small_ops = 0;
  for (const auto& group : grouped_by_module(r.ops)) {
    whole.bytes += group.sum.bytes;
    if (!all && group.sum.share < kLeastShare) {
      small_ops += group.count;
      small.ms += group.sum.ms;
      small.share += group.sum.share;
      continue;
    }
    table.rows.push_back(op_row(group.sum, group.label(), r.peak_gflops, all));
  }
  const auto add = [&](const BenchOp& op, const std::string& label) {
    auto row = op_row(op, label, r.peak_gflops, all);
    row[kTimeColumns.size() - 1].clear();  // many ops have no bound in common
    table.rows.push_back(std::move(row));
  };
  if (small_ops > 0) add(small, fmt::format("(others) ({}x)", small_ops));
  std::vector<std::string> between = {"(between ops)", "", ms_text(r.overhead_ms),
                                      percent(r.overhead_ms / r.latency_ms.median)};
  between.resize(table.columns.size());
  table.rows.push_back(std::move(between));
  whole.flops = r.flops;
  whole.ms = r.latency_ms.median;
  whole.share = 1;
  whole.roofline_ms = r.roofline_ms;
  add(whole, "total");
  return table;
}

Table bench_ops_raw(const BenchResult& r) {
  Table table{{{"path"},
               {"type"},
               {"op"},
               {"flops", true},
               {"bytes", true},
               {"median_ms", true},
               {"share", true},
               {"gflops_per_s", true},
               {"roofline_ms", true},
               {"bound"}},
              {},
              {}};
  for (const auto& op : r.ops)
    table.rows.push_back({op.path, op.type, op.op, fmt::format("{}", op.flops),
                          fmt::format("{}", op.bytes), fmt::format("{:.6g}", op.ms),
                          fmt::format("{:.6g}", op.share), fmt::format("{:.6g}", op.gflops_per_s),
                          fmt::format("{:.6g}", op.roofline_ms),
                          op.compute_bound ? "compute" : "memory"});
  return table;
}

std::string bench_heading(const BenchResult& r) {
  return fmt::format(
      "{}: batch {}, {}, {} {}, {}\n{}: at most {:.0f} GFLOP/s in {} and {:.1f} GB/s read (both "
      "measured)\n",
      r.title, r.batch, precision_name(r.precision), r.threads,
      r.threads == 1 ? "thread" : "threads", r.engine, r.machine.cpu, r.peak_gflops,
      precision_name(r.precision), r.machine.read_gb_per_s);
}

std::string bench_totals(const BenchResult& r, bool all) {
  const auto& t = r.latency_ms;
  const auto interval =
      fmt::format("{} {} to {}", t.runs < kFewestForInterval ? "all runs" : "95 % interval",
                  ms_text(t.ci95_low), ms_text(t.ci95_high));
  const auto excess =
      100 * (static_cast<double>(r.peak_rss_bytes) / static_cast<double>(r.predicted_bytes()) - 1);
  auto text = fmt::format("latency     median {} ms ({}), {} runs{}\n", ms_text(t.median), interval,
                          t.runs, r.interrupted ? "; interrupted" : "");
  if (all)
    text += fmt::format("            min {}, mean {}, p95 {}, stddev {}; {} runs to warm up\n",
                        ms_text(t.min), ms_text(t.mean), ms_text(t.p95), ms_text(t.stddev),
                        r.warmup_runs);
  text += fmt::format(
      "throughput  {:.4g} samples/s, {:.4g} GFLOP/s: {} of the peak; the roofline is {} ms\n",
      r.samples_per_s, r.gflops_per_s, percent(r.efficiency), ms_text(r.roofline_ms));
  text += fmt::format("memory      predicted {}, measured {} (peak RSS: {:+.1f} %)\n",
                      mib(r.predicted_bytes()), mib(r.peak_rss_bytes), excess);
  if (!all) return text;
  return text + fmt::format(
                    "            weights {}, activations {} (the arena, {} planned), "
                    "kernels' scratch {};\n            the rest is the program itself and "
                    "its libraries\n",
                    mib(r.weights_bytes), mib(r.arena_bytes), mib(r.planned_bytes),
                    mib(r.scratch_bytes));
}

Table bench_sweep(std::span<const BenchResult> results) {
  Table table{{{"batch", true},
               {"threads", true},
               {"median ms", true},
               {"95 % interval"},
               {"p95 ms", true},
               {"samples/s", true},
               {"GFLOP/s", true},
               {"of peak", true},
               {"roofline ms", true},
               {"activations", true}},
              {},
              {}};
  for (const auto& r : results)
    table.rows.push_back(
        {fmt::format("{}", r.batch), fmt::format("{}", r.threads), ms_text(r.latency_ms.median),
         fmt::format("{} to {}", ms_text(r.latency_ms.ci95_low), ms_text(r.latency_ms.ci95_high)),
         ms_text(r.latency_ms.p95), rate_text(r.samples_per_s), rate_text(r.gflops_per_s),
         percent(r.efficiency), ms_text(r.roofline_ms), mib(r.arena_bytes)});
  return table;
}

Table bench_sweep_raw(std::span<const BenchResult> results) {
  Table table{{{"batch", true},
               {"threads", true},
               {"median_ms", true},
               {"ci95_low_ms", true},
               {"ci95_high_ms", true},
               {"p95_ms", true},
               {"samples_per_s", true},
               {"gflops_per_s", true},
               {"efficiency", true},
               {"roofline_ms", true},
               {"arena_bytes", true}},
              {},
              {}};
  const auto number = [](double v) { return fmt::format("{:.6g}", v); };
  for (const auto& r : results)
    table.rows.push_back({fmt::format("{}", r.batch), fmt::format("{}", r.threads),
                          number(r.latency_ms.median), number(r.latency_ms.ci95_low),
                          number(r.latency_ms.ci95_high), number(r.latency_ms.p95),
                          number(r.samples_per_s), number(r.gflops_per_s), number(r.efficiency),
                          number(r.roofline_ms), fmt::format("{}", r.arena_bytes)});
  return table;
}

ordered_json bench_json(const BenchResult& r) {
  const auto& s = r.latency_ms;
  ordered_json json = ordered_json::object();
  json["schema_version"] = 1;
  json["model"] = r.model;
  json["backend"] = r.backend;
  json["precision"] = precision_name(r.precision);
  json["threads"] = r.threads;
  json["batch"] = r.batch;
  json["latency_ms"] = {{"min", s.min},   {"median", s.median}, {"p95", s.p95},
                        {"mean", s.mean}, {"stddev", s.stddev}, {"ci95", {s.ci95_low, s.ci95_high}},
                        {"runs", s.runs}};
  json["throughput"] = r.samples_per_s;
  json["flops"] = r.flops;
  json["gflops_per_s"] = r.gflops_per_s;
  json["machine"] = {{"cpu", r.machine.cpu},
                     {"peak_gflops_per_s", r.peak_gflops},
                     {"bandwidth_gb_per_s", r.machine.read_gb_per_s}};
  json["efficiency"] = r.efficiency;
  json["roofline_ms"] = r.roofline_ms;
  json["memory"] = {{"planned_bytes", r.planned_bytes},
                    {"arena_bytes", r.arena_bytes},
                    {"weights_bytes", r.weights_bytes},
                    {"scratch_bytes", r.scratch_bytes},
                    {"peak_rss_bytes", r.peak_rss_bytes}};
  auto& ops = json["ops"] = ordered_json::array();
  for (const auto& op : r.ops)
    ops.push_back({{"path", op.path},
                   {"type", op.type},
                   {"op", op.op},
                   {"flops", op.flops},
                   {"bytes", op.bytes},
                   {"median_ms", op.ms},
                   {"gflops_per_s", op.gflops_per_s},
                   {"roofline_ms", op.roofline_ms},
                   {"bound", op.compute_bound ? "compute" : "memory"},
                   {"share", op.share}});
  json["overhead_ms"] = r.overhead_ms;
  json["engine"] = r.engine;
  json["warmup_runs"] = r.warmup_runs;
  json["interrupted"] = r.interrupted;
  json["warnings"] = r.warnings;
  return json;
}

std::vector<std::string> bench_warnings(std::span<const BenchResult> results) {
  std::vector<std::string> warnings;
  for (const auto& r : results)
    for (const auto& warning : r.warnings)
      if (std::find(warnings.begin(), warnings.end(), warning) == warnings.end())
        warnings.push_back(warning);
  return warnings;
}

}  // namespace vitals
