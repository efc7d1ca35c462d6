#include "report/measured/bench.h"
#include "report/text/units.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace vitals {
namespace {

std::string ratio_text(double a, double b) { return a > 0 ? fmt::format("{:.2f}x", b / a) : "-"; }

std::string kind_of(const BenchOp& op) { return op.op.substr(0, op.op.find(' ')); }

struct TimedKind {
  std::string name;
  double flops[2] = {};
  double ms[2] = {};

  [[nodiscard]] double rate(std::size_t i) const {
    return ms[i] > 0 ? flops[i] / (ms[i] * 1e6) : 0;
  }
};

// Time and FLOPs by kind of op, the largest difference in time first.
std::vector<TimedKind> kinds_of(const BenchResult& a, const BenchResult& b) {
  std::vector<TimedKind> kinds;
  const auto add = [&](const BenchResult& r, std::size_t i) {
    for (const auto& op : r.ops) {
      auto it = std::find_if(kinds.begin(), kinds.end(),
                             [&](const TimedKind& k) { return k.name == kind_of(op); });
      if (it == kinds.end()) it = kinds.insert(kinds.end(), {kind_of(op), {}, {}});
      it->flops[i] += static_cast<double>(op.flops);
      it->ms[i] += op.ms;
    }
  };
  add(a, 0);
  add(b, 1);
  std::stable_sort(kinds.begin(), kinds.end(), [](const TimedKind& x, const TimedKind& y) {
    return std::abs(x.ms[1] - x.ms[0]) > std::abs(y.ms[1] - y.ms[0]);
  });
  return kinds;
}

std::string rate_cell(const TimedKind& k, std::size_t i) {
  return k.flops[i] > 0 ? fmt::format("{:.0f}", k.rate(i)) : "-";
}

// "1.21x (95 % interval 1.19 to 1.23)"; fewer runs have the whole range instead.
std::string ratio_in_words(const Statistics& ratio) {
  const bool interval = ratio.runs >= kFewestForInterval;
  return fmt::format("{:.2f}x ({} {:.2f} to {:.2f})", ratio.median,
                     interval ? "95 % interval" : "in single runs", ratio.ci95_low,
                     ratio.ci95_high);
}

std::string tie_in_words(const BenchResult& a, const BenchResult& b, const Statistics& ratio) {
  auto text = fmt::format("No difference can be told: {} takes {} the time of {}", b.model,
                          ratio_in_words(ratio), a.model);
  if (ratio.runs < kFewestForInterval)
    return text + fmt::format(", and {} runs are too few (--seconds, --runs).", ratio.runs);
  return text + fmt::format("; differences within {} are not told.", percent(kSameTime));
}

std::string in_words(const BenchResult& a, const BenchResult& b,
                     const std::vector<TimedKind>& kinds) {
  if (const auto ratio = time_ratio(a, b); !ratio.differs) return tie_in_words(a, b, ratio.ratio);
  const bool b_is_slower = time_ratio(a, b).ratio.median > 1;
  const auto& first = b_is_slower ? a : b;
  const auto& second = b_is_slower ? b : a;
  const std::size_t fast = b_is_slower ? 0 : 1;
  auto text = fmt::format(
      "{} takes {} the time of {} for {:.2f}x its FLOPs ({:.0f} against {:.0f} GFLOP/s).",
      second.model, ratio_in_words(time_ratio(first, second).ratio), first.model,
      static_cast<double>(second.flops) /
          static_cast<double>(std::max<std::uint64_t>(first.flops, 1)),
      second.gflops_per_s, first.gflops_per_s);
  if (kinds.empty()) return text;
  const auto& k = kinds.front();
  const double difference = k.ms[1 - fast] - k.ms[fast];
  text += fmt::format(" Of the {:.2f} ms between their medians {:.2f} are in '{}'",
                      second.latency_ms.median - first.latency_ms.median, difference, k.name);
  if (k.flops[0] > 0 && k.flops[1] > 0)
    text += fmt::format(" ({} against {} FLOPs, at {:.0f} against {:.0f} GFLOP/s)",
                        si(k.flops[1 - fast]), si(k.flops[fast]), k.rate(1 - fast), k.rate(fast));
  return text + ".";
}

}  // namespace

namespace {

struct Figure {
  const char* name;   // for programs
  const char* title;  // for people
  double of[2];
  std::string (*text)(double);
};

std::vector<Figure> figures_of(const BenchResult& a, const BenchResult& b) {
  const auto number = [](double v) { return fmt::format("{:.4g}", v); };
  const auto of = [&](auto member) {
    return std::pair(static_cast<double>(a.*member), static_cast<double>(b.*member));
  };
  std::vector<Figure> figures;
  const auto add = [&](const char* name, const char* title, std::pair<double, double> values,
                       std::string (*text)(double)) {
    figures.push_back({name, title, {values.first, values.second}, text});
  };
  add("params", "parameters", of(&BenchResult::params), si);
  add("flops", "FLOPs", of(&BenchResult::flops), si);
  add("median_ms", "latency, median ms", {a.latency_ms.median, b.latency_ms.median}, number);
  add("samples_per_s", "samples/s", of(&BenchResult::samples_per_s), number);
  add("gflops_per_s", "GFLOP/s", of(&BenchResult::gflops_per_s), number);
  add("efficiency", "of the peak", of(&BenchResult::efficiency), percent);
  add("roofline_ms", "roofline ms", of(&BenchResult::roofline_ms), number);
  add("weights_bytes", "weights", of(&BenchResult::weights_bytes), binary_bytes);
  add("arena_bytes", "activations", of(&BenchResult::arena_bytes), binary_bytes);
  return figures;
}

}  // namespace

Table bench_comparison(const BenchResult& a, const BenchResult& b) {
  Table table{{{""}, {a.model, true}, {b.model, true}, {"ratio", true}}, {}, {}};
  for (const auto& f : figures_of(a, b))
    table.rows.push_back({f.title, f.text(f.of[0]), f.text(f.of[1]), ratio_text(f.of[0], f.of[1])});
  return table;
}

Table bench_comparison_raw(const BenchResult& a, const BenchResult& b) {
  Table table{{{"quantity"}, {a.model, true}, {b.model, true}, {"ratio", true}}, {}, {}};
  const auto raw = [](double v) { return fmt::format("{:.10g}", v); };
  for (const auto& f : figures_of(a, b))
    table.rows.push_back({f.name, raw(f.of[0]), raw(f.of[1]),
                          f.of[0] > 0 ? fmt::format("{:.6g}", f.of[1] / f.of[0]) : ""});
  const auto ratio = time_ratio(a, b).ratio;
  const auto add = [&](const char* name, double value) {
    table.rows.push_back({name, "", "", fmt::format("{:.6g}", value)});
  };
  add("time_ratio_median", ratio.median);
  add("time_ratio_ci95_low", ratio.ci95_low);
  add("time_ratio_ci95_high", ratio.ci95_high);
  return table;
}

nlohmann::ordered_json time_ratio_json(const BenchResult& a, const BenchResult& b) {
  const auto r = time_ratio(a, b);
  return {{"median", r.ratio.median},
          {"ci95", {r.ratio.ci95_low, r.ratio.ci95_high}},
          {"runs", r.ratio.runs},
          {"differs", r.differs}};
}

Table bench_comparison_by_kind(const BenchResult& a, const BenchResult& b) {
  Table table{{{"op"},
               {"ms", true},
               {"GFLOP/s", true},
               {"ms", true},
               {"GFLOP/s", true},
               {"difference ms", true}},
              {},
              {}};
  const auto kinds = kinds_of(a, b);
  for (const auto& k : kinds)
    table.rows.push_back({k.name, fmt::format("{:.3f}", k.ms[0]), rate_cell(k, 0),
                          fmt::format("{:.3f}", k.ms[1]), rate_cell(k, 1),
                          fmt::format("{:+.3f}", k.ms[1] - k.ms[0])});
  table.rows.push_back({"(between ops)", fmt::format("{:.3f}", a.overhead_ms), "-",
                        fmt::format("{:.3f}", b.overhead_ms), "-",
                        fmt::format("{:+.3f}", b.overhead_ms - a.overhead_ms)});
  table.notes.push_back(in_words(a, b, kinds));
  return table;
}

}  // namespace vitals
