// The memory planner: nothing that lives at the same time overlaps, what is planned is what is
// allocated, and sharing memory changes no bit of the result.
#include "runtime/program/plan.h"

#include "frontends/spec/builtin.h"
#include "runtime/executor.h"
#include "runtime/reference_run.h"

#include <doctest/doctest.h>

#include <cstring>
#include <random>

using namespace vitals;

namespace {

View whole(BufferId buffer, std::uint64_t elements) { return {buffer, 0, {elements}, {1}}; }

// Steps that read some of the buffers written before and write a new one.
Program random_program(std::uint32_t seed) {
  std::mt19937 random(seed);
  const auto below = [&](std::size_t n) { return random() % n; };
  Program program;
  program.buffers.push_back({1 + below(5000), DType::f32, kNone, true});
  for (std::size_t i = 0; i < 40; ++i) {
    Step step;
    for (std::size_t k = 0; k < 1 + below(3); ++k) {
      const auto b = static_cast<BufferId>(program.buffers.size() - 1 -
                                           below(std::min<std::size_t>(6, program.buffers.size())));
      step.in.push_back(whole(b, program.buffers[b].elements));
    }
    const auto elements = below(2) == 0 ? step.in[0].shape[0] : 1 + below(5000);
    program.buffers.push_back({elements, below(4) == 0 ? DType::bf16 : DType::f32, kNone, false});
    step.out = whole(static_cast<BufferId>(program.buffers.size() - 1), elements);
    step.kind = step::Unary{};
    step.overwrites = {0};
    program.steps.push_back(step);
  }
  program.buffers.back().pinned = true;
  return program;
}

struct Life {
  std::size_t first = SIZE_MAX;
  std::size_t last = 0;
};

std::vector<Life> lives_of(const Program& program) {
  std::vector<Life> lives(program.buffers.size());
  const auto touch = [&](BufferId b, std::size_t at) {
    lives[b].first = std::min(lives[b].first, at);
    lives[b].last = std::max(lives[b].last, at);
  };
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    for (const auto& view : program.steps[i].in) touch(view.buffer, i);
    touch(program.steps[i].out.buffer, i);
  }
  for (BufferId b = 0; b < lives.size(); ++b)
    if (program.buffers[b].pinned) lives[b] = {0, program.steps.size()};
  return lives;
}

void check_plan(const Program& program) {
  const auto plan = plan_memory(program);
  const auto lives = lives_of(program);
  const auto end = [&](BufferId b) {
    return plan.offset[b] + program.buffers[b].elements * size_of(program.buffers[b].dtype);
  };
  for (BufferId a = 0; a < lives.size(); ++a) {
    if (lives[a].first == SIZE_MAX) continue;
    CHECK(plan.offset[a] % kArenaAlignment == 0);
    CHECK(end(a) <= plan.bytes);
    for (BufferId b = 0; b < a; ++b) {
      const bool together = lives[b].first != SIZE_MAX && lives[a].first <= lives[b].last &&
                            lives[b].first <= lives[a].last;
      if (together) CHECK((end(a) <= plan.offset[b] || end(b) <= plan.offset[a]));
    }
  }
  CHECK(plan.live_bytes <= plan.bytes);
}

Graph fused(const std::string& name, std::uint64_t batch) {
  return builtin_model(name, "test").build({.batch = batch, .attention = AttentionKernel::fused});
}

}  // namespace

TEST_CASE("buffers that live together lie apart, with and without reuse in place") {
  for (std::uint32_t seed = 0; seed < 50; ++seed) {
    CAPTURE(seed);
    auto program = random_program(seed);
    check_plan(program);
    const auto before = plan_memory(program).bytes;
    reuse_in_place(program);
    check_plan(program);
    CHECK(plan_memory(program).bytes <= before + before / 4);
  }
}

TEST_CASE("the plan of real models is close to what lives at once, and far below no sharing") {
  for (const char* name :
       {"vit_tiny_patch16_224", "vit_base_patch32_224", "deit_base_distilled_patch16_224"}) {
    CAPTURE(name);
    const auto graph = fused(name, 2);
    auto program = lower(graph, {});
    reuse_in_place(program);
    check_plan(program);
    const auto plan = plan_memory(program);
    CHECK(static_cast<double>(plan.bytes) <= 1.1 * static_cast<double>(plan.live_bytes));
    CHECK(plan.bytes * 10 < plan_memory(program, false).bytes);
  }
}

TEST_CASE("sharing memory changes nothing, and the arena is what was planned") {
  const auto graph = builtin_model("vit_tiny_patch16_224", "test")
                         .build({.batch = 2, .attention = AttentionKernel::fused});
  Engine engine({.threads = 2});
  const auto params = random_params(graph, 3);
  const auto output = [&](bool share) {
    ExecutorOptions options;
    options.share_memory = share;
    Executor executor(graph, engine, params, options);
    CHECK(executor.arena_bytes() == executor.plan().bytes);
    (void)test::fill_inputs(executor);
    executor.poison();
    executor.run();
    return executor.value(graph.outputs[0]);
  };
  const auto shared = output(true);
  const auto apart = output(false);
  REQUIRE(shared.size() == apart.size());
  CHECK(std::memcmp(shared.data(), apart.data(), shared.size() * sizeof(float)) == 0);
}
