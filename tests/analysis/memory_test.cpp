#include "analysis/memory.h"

#include "spec/builtin.h"
#include "spec/spec.h"
#include "support/run.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <map>
#include <numeric>

using namespace vitals;
using nlohmann::json;

namespace {

using Bytes = std::uint64_t;

json facts(const char* name) { return json::parse(test::data(std::string("memory/") + name)); }

struct Case {
  json args;
  std::uint64_t batch = 1;
  MemoryOptions options;
  AttentionKernel attention = AttentionKernel::eager;
};

Case case_of(const json& args, std::uint64_t batch, const char* precision_name = "fp32",
             eager::Device device = eager::Device::cpu) {
  Case c{args, batch, {}, AttentionKernel::eager};
  c.args["architecture"] = "vit";
  c.options.precision = precision(precision_name);
  c.options.optimizer = optimizer("adamw");
  c.options.device = device;
  c.options.composition = false;
  return c;
}

Graph graph_of(const Case& c) {
  BuildOptions build;
  build.batch = c.batch;
  build.training = c.options.training;
  build.attention = c.attention;
  return model_from_spec(c.args, "test", "test").build(build);
}

MemoryEstimate estimate(const Case& c) { return estimate_memory(graph_of(c), c.options); }

// "blocks.3.attn" -> "blocks.N.attn", as the facts fold the blocks.
std::string folded(std::string path) {
  const std::string prefix = "blocks.";
  if (path.rfind(prefix, 0) != 0) return path;
  auto end = path.find_first_not_of("0123456789", prefix.size());
  return prefix + "N" + (end == std::string::npos ? "" : path.substr(end));
}

}  // namespace

// PyTorch 1.13.1, saved_tensors_hooks: every storage once, under its first saver's module.
TEST_CASE("what autograd keeps is what PyTorch keeps, to the byte") {
  for (const auto& fact : facts("saved_activations.json")) {
    CAPTURE(fact.dump());
    const auto c = case_of(fact["args"], fact["batch"]);
    const auto graph = graph_of(c);
    const auto e = estimate_memory(graph, c.options);
    CHECK((e.activations.saved + e.activations.loss).value() == fact["saved"].get<Bytes>());
    CHECK(e.activations.input.value() == fact["input"].get<Bytes>());

    std::map<std::string, Bytes> by_type{{"<loss>", e.activations.loss.value()}};
    for (const auto& [type, bytes] : e.activations.by_type) by_type[type] = bytes.value();
    CHECK(json(by_type) == fact["by_type"]);
    std::map<std::string, Bytes> by_path{{"<loss>", e.activations.loss.value()}};
    for (ModuleId id = 0; id < graph.modules.size(); ++id)
      if (const auto own = e.activations.by_module.own[id].value(); own > 0)
        by_path[folded(graph.modules[id].path)] += own;
    CHECK(json(by_path) == fact["by_path"]);

    if (!fact.contains("adamw")) continue;
    CHECK(e.bytes.weights.value() == 4 * fact["params"].get<Bytes>());
    CHECK(e.bytes.gradients.value() == fact["gradients"].get<Bytes>());
    CHECK(e.bytes.optimizer.value() == fact["adamw"].get<Bytes>());
  }
}

// PyTorch 1.13.1 with an allocation hook. What is missing are oneDNN's objects of some 9 kB.
TEST_CASE("the highest moment is where PyTorch has it") {
  for (const auto& fact : facts("peaks.json")) {
    CAPTURE(fact.dump());
    auto c = case_of(fact["args"], fact["batch"]);
    c.options.optimizer = optimizer(fact["optimizer"].get<std::string>());
    c.options.training = fact["mode"] == "training";
    const auto e = estimate(c);
    const auto start = e.phases.front().start;
    const auto rise = (e.peak.bytes - start).as_double();
    CHECK(rise == doctest::Approx(fact["rise"].get<double>()).epsilon(0.001));
    if (!c.options.training) continue;
    std::string highest;
    for (const auto& phase : e.phases) {
      const auto& real = fact["phases"][std::string(eager::to_string(phase.phase))];
      CHECK((phase.bytes - start).as_double() ==
            doctest::Approx(real["peak"].get<double>()).epsilon(0.0005));
      CHECK((phase.end - start).as_double() == real["end"].get<double>());
      if (real["peak"] == fact["rise"]) highest = eager::to_string(phase.phase);
    }
    CHECK(eager::to_string(e.peak.phase) == highest);
  }
}
