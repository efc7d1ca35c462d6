#include "runtime/executor.h"

#include "core/error.h"
#include "runtime/measure/memory_limits.h"
#include "runtime/program/bind.h"
#include "runtime/program/fixed_values.h"
#include "runtime/program/strided.h"

#include <cassert>
#include <chrono>
#include <cstring>
#include <new>

namespace vitals {
namespace {

using Clock = std::chrono::steady_clock;

Program lowered(const Graph& graph, const ExecutorOptions& options) {
  auto program = lower(graph, {options.precision, options.keep});
  if (options.share_memory) reuse_in_place(program);
  return program;
}

}  // namespace

Executor::Executor(const Graph& graph, Engine& engine, const ParamSource& params,
                   const ExecutorOptions& options)
    : graph_(graph),
      engine_(engine),
      precision_(options.precision),
      program_(lowered(graph, options)),
      plan_(plan_memory(program_, options.share_memory)) {
  check_memory();
  try {
    allocate(fixed_values(graph, program_, params));
    calls_ = bind({graph, program_, engine, store_, params, precision_, address_});
  } catch (const std::bad_alloc&) {
    fail("{}: not enough memory: {} bytes of activations and the weights do not fit", graph.model,
         plan_.bytes);
  }
}

void Executor::check_memory() const {
  Count weights;
  for (const auto& param : graph_.params)
    if (!param.buffer) weights += numel(param) * element_size(precision_);
  require_memory(graph_.model, weights, plan_.bytes);
}

void Executor::allocate(const std::vector<std::vector<float>>& fixed) {
  auto* arena = static_cast<char*>(arena_.reserve(plan_.bytes));
  assert(arena_.bytes() == plan_.bytes);
  address_.resize(program_.buffers.size());
  for (BufferId b = 0; b < address_.size(); ++b) {
    if (program_.buffers[b].in_arena()) {
      address_[b] = arena + plan_.offset[b];
    } else if (!fixed[b].empty()) {
      const auto bytes = fixed[b].size() * sizeof(float);
      address_[b] = std::memcpy(store_.allocate(bytes), fixed[b].data(), bytes);
    }
  }
}

void* Executor::at(const View& view) const {
  const auto size = size_of(program_.buffers[view.buffer].dtype);
  return static_cast<char*>(address_[view.buffer]) + view.offset * size;
}

std::span<float> Executor::input(std::size_t i) const {
  const auto& view = program_.value[graph_.inputs[i]];
  assert(program_.buffers[view.buffer].dtype == DType::f32);
  return {static_cast<float*>(at(view)), static_cast<std::size_t>(numel(view.shape).value())};
}

std::span<std::int64_t> Executor::token_ids(std::size_t i) const {
  const auto& view = program_.value[graph_.inputs[i]];
  assert(program_.buffers[view.buffer].dtype == DType::i64);
  return {static_cast<std::int64_t*>(at(view)),
          static_cast<std::size_t>(numel(view.shape).value())};
}

void Executor::run(const std::function<void(double part)>& progress) {
  for (std::size_t i = 0; i < calls_.size(); ++i) {
    calls_[i]();
    if (progress) progress(static_cast<double>(i + 1) / static_cast<double>(calls_.size()));
  }
}

void Executor::run(std::span<double> step_seconds) {
  assert(step_seconds.size() == calls_.size());
  auto begin = Clock::now();
  for (std::size_t i = 0; i < calls_.size(); ++i) {
    calls_[i]();
    const auto end = Clock::now();
    step_seconds[i] = std::chrono::duration<double>(end - begin).count();
    begin = end;
  }
}

std::vector<float> Executor::value(NodeId id) const {
  const auto& view = program_.value[id];
  assert(view.buffer != kNone);
  const auto type = element_of(program_.buffers[view.buffer].dtype);
  const auto* data = at(view);
  std::vector<float> values;
  values.reserve(numel(view.shape).value());
  for_each_index(view.shape, [&](const Dims& i) {
    const auto offset = offset_of(i, view.strides);
    values.push_back(type == Element::kF32 ? static_cast<const float*>(data)[offset]
                                           : to_float(static_cast<const Bf16*>(data)[offset]));
  });
  return values;
}

void Executor::poison() {
  std::vector<std::vector<char>> inputs;
  const auto bytes_of = [&](NodeId id) {
    const auto& view = program_.value[id];
    const auto size = size_of(program_.buffers[view.buffer].dtype);
    return std::span(static_cast<char*>(at(view)), numel(view.shape).value() * size);
  };
  for (auto id : graph_.inputs) {
    const auto bytes = bytes_of(id);
    inputs.emplace_back(bytes.begin(), bytes.end());
  }
  // All bits set is a NaN in fp32 and in bf16.
  if (arena_.bytes() > 0) std::memset(arena_.reserve(0), 0xff, arena_.bytes());
  for (std::size_t i = 0; i < inputs.size(); ++i)
    std::copy(inputs[i].begin(), inputs[i].end(), bytes_of(graph_.inputs[i]).begin());
}

}  // namespace vitals
