#include "report/measured/bench.h"
#include "report/text/units.h"

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

std::string in_words(const BenchResult& a, const BenchResult& b,
                     const std::vector<TimedKind>& kinds) {
  const auto& first = a.latency_ms.median <= b.latency_ms.median ? a : b;
  const auto& second = &first == &a ? b : a;
  const std::size_t fast = &first == &a ? 0 : 1;
  const double slower = second.latency_ms.median / first.latency_ms.median;
  auto text = fmt::format(
      "{} takes {:.2f}x the time of {} for {:.2f}x its FLOPs ({:.0f} against {:.0f} GFLOP/s).",
      second.model, slower, first.model,
      static_cast<double>(second.flops) /
          static_cast<double>(std::max<std::uint64_t>(first.flops, 1)),
      second.gflops_per_s, first.gflops_per_s);
  if (kinds.empty() || slower < 1.03) return text;
  const auto& k = kinds.front();
  const double difference = k.ms[1 - fast] - k.ms[fast];
  text += fmt::format(" Of the {:.2f} ms between them {:.2f} are in '{}'",
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
  return table;
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
