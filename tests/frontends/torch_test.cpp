// Traces that tools/export_trace.py recorded with PyTorch 1.13: what PyTorch itself says of the
// same modules, and what is refused.
#include "cost/op_totals.h"
#include "cost/rollup.h"
#include "frontends/spec/load.h"
#include "frontends/spec/spec.h"
#include "frontends/torch/model.h"
#include "memory/estimate.h"
#include "report/torchsummary.h"
#include "support/json.h"
#include "support/refusal.h"
#include "support/run.h"
#include "support/temporary_folder.h"

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>

using namespace vitals;
using nlohmann::json;

namespace {

std::string trace_path(const std::string& name) {
  return std::string(TEST_DATA_DIR "/trace/") + name;
}

json read(const std::string& name) {
  std::ifstream in(trace_path(name));
  return test::parsed(std::string(std::istreambuf_iterator<char>(in), {}));
}

std::string refusal_of(const json& trace) {
  return test::refusal([&] { return model_from_trace_json(trace, "t.json"); });
}

const Node* find_op(const Graph& graph, std::string_view name) {
  for (const auto& node : graph.nodes)
    if (name_of(node.op) == name) return &node;
  return nullptr;
}

}  // namespace

TEST_CASE("parameters, products and saved bytes are those of PyTorch") {
  for (const auto& fact : read("facts.json")) {
    CAPTURE(test::dumped(fact));
    const auto model = load_model(trace_path(fact["file"]));
    const auto graph = model.build();
    CHECK(graph.batch == fact["batch"].get<std::uint64_t>());
    CHECK(graph.modules.size() == fact["modules"].get<std::size_t>());
    CHECK(parameters(graph).sum() == Count(fact["params"].get<std::uint64_t>()));
    CHECK(unknown_ops(graph).empty());
    if (fact.contains("macs"))
      CHECK(macs_by_module(graph).sum() == Count(fact["macs"].get<std::uint64_t>()));
    if (!fact.contains("saved")) continue;
    // saved_tensors_hooks: every storage once, parameters left out
    MemoryOptions options;
    options.precision = precision("fp32");
    options.device = eager::Device::cpu;
    options.loss = Loss::none;
    CHECK(estimate_memory(graph, options).activations.saved ==
          Count(fact["saved"].get<std::uint64_t>()));
  }
}

TEST_CASE("modules have their exact types, and a table as torchsummary prints it") {
  const auto graph = load_model(trace_path("resnet.json")).build();
  const auto table = to_text(torch_summary(graph, std::nullopt));
  for (const char* row : {"            Conv2d-1           [-1, 16, 32, 32]           2,352",
                          "             Block-9           [-1, 16, 16, 16]               0",
                          "AdaptiveAvgPool2d-27             [-1, 32, 1, 1]               0",
                          "           Linear-28                   [-1, 10]             330"}) {
    CAPTURE(row);
    CHECK(table.find(row) != std::string::npos);
  }
}

TEST_CASE("small ops of PyTorch are put together again") {
  const auto graph = load_model(trace_path("transformer.json")).build();
  // aten.t and addmm are a linear layer with its bias; empty_like, bernoulli_, div_ and mul are
  // dropout.
  const auto* linear = find_op(graph, "linear");
  REQUIRE(linear != nullptr);
  CHECK(std::get<op::Linear>(linear->op).in == 32);
  CHECK(std::get<op::Linear>(linear->op).out == 96);
  CHECK(linear->params[1] != kNone);
  const auto* dropout = find_op(graph, "dropout");
  REQUIRE(dropout != nullptr);
  CHECK(std::get<op::Dropout>(dropout->op).rate == doctest::Approx(0.1));
  // The head's weight is the table's: one parameter, owned by the first.
  const auto& head = graph.nodes[graph.outputs[0]];
  CHECK(path_of(graph, graph.params[graph.nodes[head.inputs[0]].params[0]]) == "emb.weight");
}

TEST_CASE("every command takes a trace, and its spec is the trace") {
  const auto path = trace_path("transformer.json");
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"summary", path},
                                             {"summary", path, "--style", "tree"},
                                             {"flops", path},
                                             {"list-ops", path},
                                             {"memory", path},
                                             {"memory", path, "--mode", "inference"},
                                             {"predict", path, "--device", "a100-80gb"},
                                             {"compare", path, trace_path("resnet.json")},
                                             {"report", path}}) {
    CAPTURE(words[0]);
    const auto result = test::run(words);
    CAPTURE(result.err);
    CHECK(result.exit_code == 0);
  }
  const auto spec = test::run({"spec", path});
  CHECK(test::parsed(spec.out)["format"] == "vitals-trace");
  CHECK(test::run({"summary", path, "--batch", "2"}).exit_code == 0);
  const auto other = test::run({"summary", path, "--batch", "3"});
  CHECK(other.exit_code == 1);
  CHECK(other.err.find("recorded with a batch of 2") != std::string::npos);
  CHECK(test::run({"summary", path, "--set", "depth=3"}).exit_code == 1);
}

TEST_CASE("an operator without a rule is named, and totals are lower bounds") {
  auto trace = read("resnet.json");
  for (auto& node : trace["nodes"])
    if (node["op"] == "aten.max_pool2d_with_indices.default")
      node["op"] = "mylib.fancy_pool.default";
  const auto graph = model_from_trace_json(trace, "t.json").build();
  const auto unknown = unknown_ops(graph);
  REQUIRE(unknown.size() == 1);
  CHECK(unknown.begin()->first == "mylib.fancy_pool");
  // So is one whose recorded sizes are not what its rule makes of them.
  auto wrong = read("resnet.json");
  for (auto& node : wrong["nodes"])
    if (node["op"] == "aten.max_pool2d_with_indices.default") node["in"][1] = {5, 5};
  CHECK(unknown_ops(model_from_trace_json(wrong, "t.json").build())
            .count("max_pool2d_with_indices") == 1);
}

TEST_CASE("a trace that cannot be is refused with the place") {
  const auto base = read("resnet.json");
  const auto with = [&](const char* pointer, const json& value) {
    auto changed = base;
    changed[json::json_pointer(pointer)] = value;
    return refusal_of(changed);
  };
  CHECK(refusal_of(base).empty());
  CHECK(with("/version", 2) ==
        "t.json: /version: 2 is not read; this vitals reads version 1 of the format");
  CHECK(with("/nodes/0/in/0", json({{"v", 999}}))
            .starts_with("t.json: /nodes/0/in: value 999 is read before"));
  CHECK(with("/nodes/1/out", json::array({0}))
            .starts_with("t.json: /nodes/1/out: value 0 is made twice"));
  CHECK(with("/values/3/0", json::array({1ULL << 40, 1ULL << 40}))
            .starts_with("t.json: /values/3/0: "));
  CHECK(with("/values/3/1", "complex64").starts_with("t.json: /values/3/1: unknown element type"));
  CHECK(with("/calls/1/parent", 7).starts_with("t.json: /calls/1/parent: "));
  CHECK(with("/calls/1/module", "nowhere")
            .starts_with("t.json: /calls/1/module: there is no module 'nowhere'"));
  CHECK(with("/modules/1/0", "a.b").starts_with("t.json: /"));
  CHECK(with("/parameters/1/same_as", 5).starts_with("t.json: /parameters/1/same_as: "));
  auto cut = base;
  cut.erase("calls");
  CHECK(refusal_of(cut) == "t.json: /calls: missing");
}
