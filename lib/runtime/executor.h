// Runs a trace on this machine: lowers it, plans its memory, binds weights, and then calls one step
// after another in an arena that is exactly as large as planned. Must not know files, models or the
// command line.
#pragma once

#include "runtime/kernels/engine.h"
#include "runtime/program/lower.h"
#include "runtime/program/params.h"
#include "runtime/program/plan.h"

#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace vitals {

struct ExecutorOptions {
  Element precision = Element::kF32;
  std::vector<NodeId> keep;  // values to be seen after a run, beside the outputs; costs fusion
  bool share_memory = true;  // false: no buffer takes another's place (for tests)
};

class Executor {
 public:
  // The trace, an evaluation, must outlive this, and so must the engine. Throws Error for an op
  // that no kernel runs, for weights that cannot be had, and when memory does not suffice.
  Executor(const Graph& graph, Engine& engine, const ParamSource& params,
           const ExecutorOptions& options);

  // The i-th input of the trace, row-major: fill it before a run; it stays.
  [[nodiscard]] std::span<float> input(std::size_t i = 0) const;
  [[nodiscard]] std::span<std::int64_t> token_ids(std::size_t i = 0) const;

  // `progress` is told after each step how many of them are done, 0 to 1.
  void run(const std::function<void(double part)>& progress = {});
  // The same, noting the seconds that each step took.
  void run(std::span<double> step_seconds);

  // A value after a run: an output, an input, or what is kept. Row-major, in fp32.
  [[nodiscard]] std::vector<float> value(NodeId id) const;

  // Fills everything but the inputs with NaN, so that whatever is read unwritten shows.
  void poison();

  [[nodiscard]] const Graph& graph() const { return graph_; }
  [[nodiscard]] const Program& program() const { return program_; }
  [[nodiscard]] const Plan& plan() const { return plan_; }
  [[nodiscard]] Element precision() const { return precision_; }
  [[nodiscard]] std::size_t arena_bytes() const { return arena_.bytes(); }
  [[nodiscard]] std::size_t weights_bytes() const { return store_.used_bytes(); }

 private:
  void check_memory() const;
  void allocate(const std::vector<std::vector<float>>& fixed);
  [[nodiscard]] void* at(const View& view) const;

  const Graph& graph_;
  Engine& engine_;
  Element precision_;
  Program program_;
  Plan plan_;
  WeightStore store_;
  AlignedBuffer arena_;
  std::vector<void*> address_;  // by BufferId
  std::vector<std::function<void()>> calls_;
};

}  // namespace vitals
