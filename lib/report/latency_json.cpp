#include "report/latency.h"
#include "report/op_list.h"

#include <nlohmann/json.hpp>

#include <cmath>
#include <map>

namespace vitals {
namespace {

using nlohmann::ordered_json;

std::string_view bound_name(latency::Bound bound) {
  return bound == latency::Bound::compute ? "compute" : "memory";
}

// Kernels of one name in one module stand together.
ordered_json ops_json(const LatencyAnswer& a) {
  const auto& p = a.prediction;
  struct Op {
    std::size_t first = 0;
    std::size_t kernels = 0;
    double seconds = 0;
    double flops = 0;
    double bytes = 0;
  };
  std::map<std::pair<ModuleId, std::string_view>, Op> by_name;
  std::vector<const std::pair<const std::pair<ModuleId, std::string_view>, Op>*> order;
  for (std::size_t i = 0; i < p.kernels.size(); ++i) {
    const auto& kernel = p.kernels[i];
    const auto [place, fresh] = by_name.try_emplace({kernel.module, kernel.name});
    auto& op = place->second;
    if (fresh) {
      op.first = i;
      order.push_back(&*place);
    }
    ++op.kernels;
    op.seconds += p.costs[i].seconds;
    op.flops += kernel.flops;
    op.bytes += kernel.bytes + kernel.strided_bytes;
  }
  auto ops = ordered_json::array();
  for (const auto* entry : order) {
    const auto& op = entry->second;
    ops.push_back({{"path", a.graph.modules[entry->first.first].path},
                   {"type", a.graph.modules[entry->first.first].type},
                   {"op", entry->first.second},
                   {"kernels", op.kernels},
                   {"flops", op.flops},
                   {"bytes", op.bytes},
                   {"ms", 1e3 * op.seconds},
                   {"bound", bound_name(p.costs[op.first].bound)},
                   {"share", op.seconds / p.busy}});
  }
  return ops;
}

ordered_json modules_json(const LatencyAnswer& a) {
  auto modules = ordered_json::array();
  const auto& ps = a.prediction.picoseconds;
  for (ModuleId id = 0; id < a.graph.modules.size(); ++id)
    if (ps.total[id] != Count(0))
      modules.push_back({{"path", a.graph.modules[id].path},
                         {"type", a.graph.modules[id].type},
                         {"ms", ps.own[id].as_double() * 1e-9},
                         {"total_ms", ps.total[id].as_double() * 1e-9},
                         {"share", ps.total[id].as_double() / ps.sum().as_double()}});
  return modules;
}

ordered_json figures_json(const LatencyAnswer& a) {
  const auto& p = a.prediction;
  const double rate = a.samples_per_s();
  ordered_json json = {{"batch", a.batch},
                       {"samples_per_s", rate},
                       {"step_ms", 1e3 * p.seconds()},
                       {"range", {rate * a.range.low, rate * a.range.high}},
                       {"calibrated", a.calibrated},
                       {"bound", p.host > p.busy            ? "host"
                                 : p.compute > 0.5 * p.busy ? "compute"
                                                            : "memory"},
                       {"compute_share", p.compute / p.busy},
                       {"device_ms", 1e3 * p.busy},
                       {"host_ms", 1e3 * p.host},
                       {"flops_per_s", p.flops / p.seconds()},
                       {"peak_flops_per_s", a.peak},
                       {"share_of_peak", a.share_of_peak()},
                       {"kernels", p.kernels.size()}};
  if (a.memory)
    json["memory"] = {{"peak_bytes", a.memory->peak.value()},
                      {"need_bytes", a.memory->need.value()},
                      {"usable_bytes", nullptr},
                      {"fits", nullptr}};
  else
    json["memory"] = nullptr;
  if (const auto fits = a.fits()) {
    json["memory"]["usable_bytes"] = a.memory->usable->value();
    json["memory"]["fits"] = *fits;
    json["fits"] = *fits;
  }
  const auto& nearest = p.adjustment.nearest;
  json["neighbours"] = {
      {"nearest", nearest.empty() ? ordered_json(nullptr) : ordered_json(nearest)},
      {"confidence", p.adjustment.confidence},
      {"throughput_factor", std::exp(p.adjustment.log_error)}};
  json["notes"] = a.notes;
  add_unknown_ops(json, json, a.graph);
  return json;
}

}  // namespace

ordered_json latency_json(const std::vector<LatencyAnswer>& answers) {
  const auto& first = answers.front();
  ordered_json json = {{"schema_version", 1},
                       {"model", first.graph.model},
                       {"device", first.device},
                       {"device_title", first.device_title},
                       {"mode", first.training ? "training" : "inference"},
                       {"precision", first.precision},
                       {"compiled", first.compiled},
                       {"attention", first.fused_attention ? "fused" : "eager"},
                       {"runs_on", first.own_kernels ? "vitals" : "pytorch"},
                       {"calibration",
                        {{"run", first.run},
                         {first.vitals.empty() ? "pytorch" : "vitals",
                          first.vitals.empty() ? first.pytorch : first.vitals},
                         {"median_error_percent", first.median_error},
                         {"p90_error_percent", first.p90_error}}}};
  json.update(figures_json(first));
  if (answers.size() > 1) {
    auto& batches = json["batches"] = ordered_json::array();
    for (const auto& answer : answers) batches.push_back(figures_json(answer));
  }
  json["modules_sum_to"] = "device_ms";  // which the host's may exceed
  json["modules"] = modules_json(first);
  json["ops"] = ops_json(first);
  return json;
}

ordered_json devices_json(const std::vector<DeviceRow>& devices) {
  auto rows = ordered_json::array();
  auto number = [](const std::optional<double>& x) {
    return x ? ordered_json(*x) : ordered_json(nullptr);
  };
  for (const auto& d : devices)
    rows.push_back({{"name", d.name},
                    {"title", d.title},
                    {"kind", d.machine.kind == MachineKind::cpu ? "cpu" : "gpu"},
                    {"peak_flops_per_s",
                     {{"fp32", number(d.machine.fp32)},
                      {"tf32", number(d.machine.tf32)},
                      {"fp16", number(d.machine.fp16)},
                      {"bf16", number(d.machine.bf16)},
                      {"fp8", number(d.machine.fp8)}}},
                    {"bandwidth_bytes_per_s", d.machine.bandwidth},
                    {"memory_bytes", d.memory ? ordered_json(d.memory->value()) : nullptr},
                    {"usable_bytes", d.usable ? ordered_json(d.usable->value()) : nullptr},
                    {"units", d.machine.units},
                    {"calibrated", d.calibrated},
                    {"source", d.source}});
  return {{"schema_version", 1}, {"devices", std::move(rows)}};
}

}  // namespace vitals
