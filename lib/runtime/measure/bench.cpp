#include "runtime/measure/bench.h"

#include "core/error.h"
#include "cost/macs.h"
#include "cost/rollup.h"
#include "runtime/measure/memory_limits.h"
#include "runtime/open_engine.h"
#include "runtime/program/fixed_values.h"
#include "runtime/program/step_kernels.h"

#include <algorithm>
#include <cassert>
#include <map>
#include <memory>

namespace vitals {
namespace {

// "linear + gelu + add": the op and what is fused into it, in the order of the trace.
std::vector<std::string> op_names(const Graph& graph, const Program& program) {
  std::vector<std::string> names(graph.nodes.size());
  for (NodeId id = 0; id < names.size(); ++id) {
    const auto host = program.host[id];
    if (host == kNone) continue;
    auto& name = names[host];
    if (!name.empty()) name += " + ";
    name += name_of(graph.nodes[id].op);
  }
  return names;
}

std::vector<BenchOp> ops_of(const Executor& executor, const std::vector<double>& step_ms) {
  const auto& graph = executor.graph();
  const auto& program = executor.program();
  const auto names = op_names(graph, program);
  std::vector<BenchOp> ops;
  std::map<NodeId, std::size_t> place;
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    const auto& step = program.steps[i];
    const auto [it, added] = place.try_emplace(step.node, ops.size());
    if (added) {
      const auto& module = graph.module_of(graph.nodes[step.node]);
      BenchOp op;
      op.path = module.path;
      op.type = module.type;
      op.op = names[step.node];
      if (std::holds_alternative<step::Reference>(step.kind)) op.op += " (plain loop)";
      ops.push_back(std::move(op));
    }
    auto& op = ops[it->second];
    op.bytes += bytes_of(graph, program, step, executor.precision()).value();
    op.ms += step_ms[i];
  }
  for (NodeId id = 0; id < graph.nodes.size(); ++id) {
    const auto flops = (macs(graph, graph.nodes[id]) * 2).value();
    if (flops == 0) continue;
    assert(program.host[id] != kNone && place.contains(program.host[id]));
    ops[place.at(program.host[id])].flops += flops;
  }
  return ops;
}

std::vector<TimedKernel> kernels_of(const Executor& executor, const std::vector<double>& step_ms) {
  std::vector<TimedKernel> kernels;
  for (auto& kernel : step_kernels(executor.graph(), executor.program(), executor.precision()))
    kernels.push_back({kernel, step_ms[kernels.size()]});
  return kernels;
}

BenchResult result_of(const Executor& executor, Engine& engine, const MachinePeaks& machine,
                      const Measurement& m) {
  const auto& graph = executor.graph();
  BenchResult r;
  r.model = graph.model;
  r.title = title_of(graph);
  r.batch = graph.batch;
  r.params = parameters(graph).sum().value();
  r.precision = executor.precision();
  r.backend = engine.backend().name;
  r.engine = engine.description();
  r.threads = engine.pool().threads();
  r.latency_ms = statistics(m.run_ms);
  r.run_ms = m.run_ms;
  r.warmup_runs = m.warmup_runs;
  r.interrupted = m.interrupted;
  const auto step_ms = typical_step_ms(m);
  r.ops = ops_of(executor, step_ms);
  r.kernels = kernels_of(executor, step_ms);
  set_limits(r, machine);
  r.planned_bytes = executor.plan().bytes;
  r.arena_bytes = executor.arena_bytes();
  r.weights_bytes = executor.weights_bytes();
  r.scratch_bytes = engine.scratch_bytes();
  r.peak_rss_bytes = peak_resident_bytes();
  r.warnings = cautions(engine, executor.precision());
  if (machine.disturbed)
    r.warnings.emplace_back(
        "Other programs ran while the machine's limits were measured: it can do more than the "
        "table "
        "says, and the limits are not remembered.");
  for (auto& sentence : noise_warnings(m, r.latency_ms, r.threads))
    r.warnings.push_back(std::move(sentence));
  return r;
}

// Of the ops that take long enough to be timed by themselves.
double fastest_op(const BenchResult& r) {
  constexpr double kTimeable = 0.05;  // ms
  double most = 0;
  for (const auto& op : r.ops)
    if (op.ms >= kTimeable) most = std::max(most, op.gflops_per_s);
  return most;
}

void fill_inputs(const Executor& executor, std::uint64_t seed) {
  const auto& graph = executor.graph();
  for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
    if (graph.nodes[graph.inputs[i]].dtype == DType::f32)
      fill_noise(executor.input(i), seed);
    else
      for (auto& id : executor.token_ids(i)) id = 0;
  }
}

}  // namespace

void require_runnable(const Graph& graph) {
  const auto zeros = [](ParamId, std::span<float> values) {
    std::fill(values.begin(), values.end(), 0.0F);
  };
  try {
    (void)fixed_values(graph, lower(graph, {}), zeros);
  } catch (const Error& error) {
    throw error.within(graph.model);
  }
}

std::vector<BenchResult> bench(std::span<const Graph> graphs, Engine& engine,
                               const MachinePeaks& machine, const BenchOptions& options) {
  // What came before, such as another batch's scratch or the buffer that bandwidth is measured
  // with, is not the models' memory.
  engine.release_scratch();
  reset_peak_resident();
  std::vector<std::unique_ptr<Executor>> executors;
  std::vector<Executor*> pointers;
  for (const auto& graph : graphs) {
    const ExecutorOptions o{options.precision, {}, true};
    executors.push_back(
        std::make_unique<Executor>(graph, engine, random_params(graph, options.seed), o));
    fill_inputs(*executors.back(), options.seed);
    pointers.push_back(executors.back().get());
  }
  const auto measurements = measure(pointers, options.measure);
  std::vector<BenchResult> results;
  for (std::size_t i = 0; i < executors.size(); ++i)
    results.push_back(result_of(*executors[i], engine, machine, measurements[i]));
  return results;
}

void set_limits(BenchResult& r, const MachinePeaks& machine) {
  r.machine = machine;
  r.peak_gflops = r.precision == Element::kF32 ? machine.f32_gflops : machine.bf16_gflops;
  r.flops = 0;
  r.roofline_ms = 0;
  double sum = 0;
  for (auto& op : r.ops) {
    const double flops = static_cast<double>(op.flops);
    const double compute_ms = flops / (r.peak_gflops * 1e6);
    const double memory_ms = static_cast<double>(op.bytes) / (r.machine.read_gb_per_s * 1e6);
    op.roofline_ms = std::max(compute_ms, memory_ms);
    op.compute_bound = compute_ms >= memory_ms;
    op.gflops_per_s = op.ms > 0 ? flops / (op.ms * 1e6) : 0;
    op.share = op.ms / r.latency_ms.median;
    r.flops += op.flops;
    r.roofline_ms += op.roofline_ms;
    sum += op.ms;
  }
  r.overhead_ms = r.latency_ms.median - sum;
  r.gflops_per_s = static_cast<double>(r.flops) / (r.latency_ms.median * 1e6);
  r.efficiency = r.gflops_per_s / r.peak_gflops;
  r.samples_per_s = 1e3 * static_cast<double>(r.batch) / r.latency_ms.median;
}

TimeRatio time_ratio(const BenchResult& a, const BenchResult& b) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < std::min(a.run_ms.size(), b.run_ms.size()); ++i)
    ratios.push_back(b.run_ms[i] / a.run_ms[i]);
  TimeRatio result{statistics(ratios), false};
  const auto& r = result.ratio;
  result.differs = r.runs >= kFewestForInterval &&
                   (r.ci95_low > 1 + kSameTime || r.ci95_high < 1 / (1 + kSameTime));
  return result;
}

bool beats_its_limits(std::span<const BenchResult> results) {
  constexpr double kTolerance = 1.03;
  return std::any_of(results.begin(), results.end(), [](const BenchResult& r) {
    return fastest_op(r) > kTolerance * r.peak_gflops;
  });
}

void raise_limits(MachinePeaks& machine, std::span<const BenchResult> results) {
  for (const auto& r : results) {
    auto& peak = r.precision == Element::kF32 ? machine.f32_gflops : machine.bf16_gflops;
    peak = std::max(peak, fastest_op(r));
  }
}

}  // namespace vitals
