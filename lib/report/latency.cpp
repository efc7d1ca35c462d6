#include "report/latency.h"

#include "report/module_table.h"
#include "report/op_list.h"
#include "report/text/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

namespace vitals {
namespace {

std::string rate(double per_second) {
  if (per_second >= 100) return grouped(Count::rounded(per_second));
  return fmt::format("{:.2f}", per_second);
}
std::string milliseconds(double seconds) {
  const double ms = 1e3 * seconds;
  return fmt::format("{:.{}f}", ms, ms < 10 ? 3 : ms < 1000 ? 2 : 0);
}
std::string range_text(const LatencyAnswer& a) {
  return fmt::format("{} - {}", rate(a.samples_per_s() * a.range.low),
                     rate(a.samples_per_s() * a.range.high));
}

std::string bound_text(const LatencyAnswer& a) {
  const auto& p = a.prediction;
  if (p.host > p.busy)
    return fmt::format("host: asking for {} kernels takes longer than running them",
                       p.kernels.size());
  const double share = p.compute / p.busy;
  return share > 0.5 ? fmt::format("compute, {} of the time", percent(share))
                     : fmt::format("memory, {} of the time", percent(1 - share));
}

std::string fit_text(const LatencyAnswer& a) {
  const auto peak = binary_bytes(a.memory->need);
  const auto fits = a.fits();
  if (!fits) return peak + "; how much the device has is not stated";
  return fmt::format("{} of {} that can be used{}", peak,
                     binary_bytes(a.memory->usable->as_double()), *fits ? "" : ": DOES NOT FIT");
}

// What measured models of like sizes changed.
std::string neighbours_text(const LatencyAnswer& a) {
  const auto& adjustment = a.prediction.adjustment;
  const double change = std::exp(adjustment.log_error) - 1;
  return fmt::format("ran {} {} than the formulas say; nearest: {}", percent(std::abs(change)),
                     change < 0 ? "slower" : "faster", adjustment.nearest);
}

// "linear 76 %, gelu 9 %, add 6 %": kernels of one name together.
std::string largest_shares(const latency::Prediction& p) {
  constexpr std::size_t kShown = 4;
  std::map<std::string_view, double> seconds;
  for (std::size_t i = 0; i < p.kernels.size(); ++i)
    seconds[p.kernels[i].name] += p.costs[i].seconds;
  std::vector<std::pair<double, std::string_view>> order;
  for (const auto& [name, time] : seconds) order.emplace_back(-time, name);
  std::sort(order.begin(), order.end());
  std::vector<std::string> shown;
  for (const auto& [time, name] : order)
    if (shown.size() < kShown) shown.push_back(fmt::format("{} {}", name, percent(-time / p.busy)));
  return fmt::format("{}", fmt::join(shown, ", "));
}

void add_notes(Table& table, const LatencyAnswer& a) {
  if (a.fits() == false)
    table.notes.push_back(
        fmt::format("batch {} does not fit into the {}'s memory.", a.batch, a.device_title));
  if (a.calibrated)
    table.notes.push_back(fmt::format(
        "calibrated on {} ({} {}): on models that the fit did not see, the median error is "
        "{:.1f} % and nine in ten are within {:.1f} %.",
        a.run, a.own_kernels ? "vitals" : "PyTorch", a.own_kernels ? a.vitals : a.pytorch,
        a.median_error, a.p90_error));
  else
    table.notes.push_back(fmt::format(
        "estimate: nothing was measured on this device in this way. In 80 % of cases the speed is "
        "between {:.2f} and {:.2f} times this one.",
        a.range.low, a.range.high));
  for (const auto& note : a.notes) table.notes.push_back(note + ".");
  add_lower_bound_note(table, a.graph);
}

}  // namespace

std::string latency_headline(const LatencyAnswer& a) {
  return fmt::format("{} on {}: {}, batch {}, {}, {}, {} attention", title_of(a.graph),
                     a.device_title, a.training ? "training" : "inference", a.batch, a.precision,
                     a.own_kernels ? "`vitals bench`"
                     : a.compiled  ? "compiled PyTorch"
                                   : "eager PyTorch",
                     a.fused_attention ? "fused" : "eager");
}

Table latency_figures(const LatencyAnswer& a, bool all) {
  const auto& p = a.prediction;
  Table table{{{"quantity"}, {"value"}}, {}, {}};
  auto row = [&](const char* name, std::string value) {
    table.rows.push_back({name, std::move(value)});
  };
  row("samples/s", rate(a.samples_per_s()));
  row("range (80 % of cases)", range_text(a));
  row("step", milliseconds(p.seconds()) + " ms");
  row("bound by", bound_text(a));
  row("FLOP/s", fmt::format("{} of {} peak: {}", si(p.flops / p.seconds()), si(a.peak),
                            percent(a.share_of_peak())));
  row("most time in", largest_shares(p));
  if (all)
    row("kernels", std::to_string(p.kernels.size()) + (a.training ? " in the forward pass" : ""));
  if (a.memory) row("peak memory", fit_text(a));
  if (!p.adjustment.nearest.empty()) row("models like it", neighbours_text(a));
  add_notes(table, a);
  return table;
}

Table latency_modules(const LatencyAnswer& a, const TreeOptions& options) {
  const auto& p = a.prediction;
  const auto time = of_ops(p.picoseconds);
  auto lines = work_lines(a.graph, options, {&p.picoseconds.own});
  std::erase_if(lines, [&](const TreeLine& line) { return time(line) == Count(0); });
  auto table = module_table(
      a.graph, lines,
      {figure_column("ms", time, [](Count ps) { return milliseconds(ps.as_double() * 1e-12); }),
       share_column(time, p.picoseconds.sum())});
  if (p.host > p.busy)
    table.notes.push_back(fmt::format(
        "The modules' times are the device's and sum to {} ms; the step takes the {} ms "
        "in which the host asks for the kernels.",
        milliseconds(p.busy), milliseconds(p.host)));
  return table;
}

Table latency_sweep(const std::vector<LatencyAnswer>& answers) {
  Table table{{{"batch", true},
               {"samples/s", true},
               {"range", true},
               {"step ms", true},
               {"of peak", true},
               {"memory", true},
               {"fits"}},
              {},
              {}};
  for (const auto& a : answers)
    table.rows.push_back({std::to_string(a.batch), rate(a.samples_per_s()), range_text(a),
                          milliseconds(a.prediction.seconds()), percent(a.share_of_peak()),
                          a.memory ? binary_bytes(a.memory->need) : "-",
                          !a.fits()   ? "-"
                          : *a.fits() ? "yes"
                                      : "no"});
  for (const auto& a : answers) {
    Table one;
    add_notes(one, a);
    for (auto& note : one.notes)
      if (std::find(table.notes.begin(), table.notes.end(), note) == table.notes.end())
        table.notes.push_back(std::move(note));
  }
  return table;
}

Table latency_numbers(const std::vector<LatencyAnswer>& answers) {
  Table table{{{"model"},
               {"device"},
               {"mode"},
               {"precision"},
               {"compiled"},
               {"batch"},
               {"samples_per_s"},
               {"low"},
               {"high"},
               {"step_ms"},
               {"calibrated"},
               {"share_of_peak"},
               {"peak_bytes"},
               {"fits"}},
              {},
              {}};
  for (const auto& a : answers) {
    const double rate = a.samples_per_s();
    table.rows.push_back({a.graph.model, a.device, a.training ? "training" : "inference",
                          a.precision, a.compiled ? "true" : "false", std::to_string(a.batch),
                          fmt::format("{:.3f}", rate), fmt::format("{:.3f}", rate * a.range.low),
                          fmt::format("{:.3f}", rate * a.range.high),
                          fmt::format("{:.4f}", 1e3 * a.prediction.seconds()),
                          a.calibrated ? "true" : "false", fmt::format("{:.4f}", a.share_of_peak()),
                          a.memory ? fmt::format("{}", a.memory->peak) : "",
                          !a.fits()   ? ""
                          : *a.fits() ? "true"
                                      : "false"});
  }
  return table;
}

namespace {

std::string teraflops(const std::optional<double>& peak) {
  return peak ? fmt::format("{:.1f}", *peak / 1e12) : "-";
}

}  // namespace

Table device_table(const std::vector<DeviceRow>& devices) {
  Table table{{{"device"},
               {"name"},
               {"fp32", true},
               {"fp16", true},
               {"bf16", true},
               {"GB/s", true},
               {"GiB", true},
               {"measured"}},
              {},
              {"fp32, fp16, bf16: peak TFLOP/s of dense products that add up in float32, as "
               "PyTorch runs them.",
               "measured: ways to run that published measurements calibrate; `vitals devices "
               "--format json` tells every number's source."}};
  for (const auto& d : devices)
    table.rows.push_back(
        {d.name, d.title, teraflops(d.machine.fp32), teraflops(d.machine.fp16),
         teraflops(d.machine.bf16), fmt::format("{:.0f}", d.machine.bandwidth / 1e9),
         d.memory ? fmt::format("{:.0f}", d.memory->as_double() / 0x1p30) : "-",
         d.calibrated.empty() ? "-" : fmt::format("{}", fmt::join(d.calibrated, ", "))});
  return table;
}

Table device_numbers(const std::vector<DeviceRow>& devices) {
  Table table{{{"name"},
               {"title"},
               {"kind"},
               {"fp32_flops_per_s"},
               {"fp16_flops_per_s"},
               {"bf16_flops_per_s"},
               {"bandwidth_bytes_per_s"},
               {"memory_bytes"},
               {"units"},
               {"calibrated"},
               {"source"}},
              {},
              {}};
  auto number = [](const std::optional<double>& x) {
    return x ? fmt::format("{:.0f}", *x) : std::string();
  };
  for (const auto& d : devices)
    table.rows.push_back({d.name, d.title, d.machine.kind == MachineKind::cpu ? "cpu" : "gpu",
                          number(d.machine.fp32), number(d.machine.fp16), number(d.machine.bf16),
                          fmt::format("{:.0f}", d.machine.bandwidth),
                          d.memory ? fmt::format("{}", *d.memory) : "",
                          std::to_string(d.machine.units),
                          fmt::format("{}", fmt::join(d.calibrated, "; ")), d.source});
  return table;
}

}  // namespace vitals
