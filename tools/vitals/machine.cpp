#include "machine.h"

#include "bench_runs.h"
#include "runtime/kernels/backend.h"
#include "terminal.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace vitals::cli {

std::vector<Command> machine_commands() { return {bench_command(), run_command()}; }

std::string backend_names() {
  std::vector<std::string> names;
  for (const auto& b : backends()) names.push_back(fmt::format("{} ({})", b.name, b.doc));
  return fmt::format("{}", fmt::join(names, ", "));
}

bool can_measure() { return true; }

Measurement measure_model(const ModelOptions& model, const std::string& name) {
  BenchArguments arguments;
  arguments.model = model;
  arguments.model.model = name;
  const auto results = measure(arguments);
  for (const auto& warning : bench_warnings(results)) tell(warning);
  const auto& result = results.front();
  return {bench_heading(result) + bench_totals(result, true), bench_ops(result, true),
          bench_json(result)};
}

void require_measurable(const Graph& graph) { require_runnable(graph); }

}  // namespace vitals::cli
