// Traces that tools/export_trace.py recorded with PyTorch 1.13: what PyTorch itself says of the
// same modules, and what is refused.
#include "cost/op_totals.h"
#include "cost/rollup.h"
#include "frontends/spec/load.h"
#include "frontends/spec/spec.h"
#include "frontends/torch/import.h"
#include "frontends/torch/model.h"
#include "frontends/torch/pt2.h"
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

// The same modules as torch.export writes them (torch/_export/serde/schema.py): schema 7.3 with its
// file at the top of the archive, and 8.7 below models/.
TEST_CASE("an exported program is the model that was recorded") {
  for (const std::string name : {"resnet", "transformer"}) {
    CAPTURE(name);
    const auto exported = load_model(trace_path(name + ".pt2"));
    const auto recorded = load_model(trace_path(name + ".json"));
    const auto a = exported.build();
    const auto b = recorded.build();
    CHECK(parameters(a).sum() == parameters(b).sum());
    CHECK(macs_by_module(a).sum() == macs_by_module(b).sum());
    CHECK(unknown_ops(a).empty());
    CHECK(to_text(torch_summary(a, std::nullopt)) == to_text(torch_summary(b, std::nullopt)));
    CHECK(exported.all_notes().front().find("torch.export, schema") != std::string::npos);
    // What `vitals spec` prints of it is a trace that reads as the same model.
    const auto again = model_from_trace_json(test::parsed(exported.document), "again");
    CHECK(macs_by_module(again.build()).sum() == macs_by_module(a).sum());
  }
}

namespace {

json size(std::uint64_t n) { return {{"as_int", n}}; }

json tensor_meta(const std::vector<std::uint64_t>& shape, int dtype = 7) {
  json sizes = json::array();
  for (const auto n : shape) sizes.push_back(size(n));
  return {{"dtype", dtype}, {"sizes", sizes}};
}

json named(const char* name, json argument) {
  return {{"name", name}, {"arg", std::move(argument)}};
}
json tensor(const char* name) { return {{"as_tensor", {{"name", name}}}}; }

json node(const char* op, const json& inputs, const char* output, const char* stack) {
  return {{"target", std::string("torch.ops.aten.") + op},
          {"inputs", inputs},
          {"outputs", json::array({tensor(output)})},
          {"metadata", {{"nn_module_stack", stack}}}};
}

// The operators that torch.export keeps whole: a linear layer and fused attention.
json program() {
  json p;
  auto& module = p["graph_module"];
  auto& graph = module["graph"];
  graph["tensor_values"] = {
      {"p_fc_weight", tensor_meta({24, 8})},  {"p_fc_bias", tensor_meta({24})},
      {"x", tensor_meta({2, 5, 8})},          {"linear", tensor_meta({2, 5, 24})},
      {"view", tensor_meta({2, 5, 3, 2, 4})}, {"permute", tensor_meta({3, 2, 2, 5, 4})},
      {"q", tensor_meta({2, 2, 5, 4})},       {"k", tensor_meta({2, 2, 5, 4})},
      {"v", tensor_meta({2, 2, 5, 4})},       {"sdpa", tensor_meta({2, 2, 5, 4})}};
  graph["sym_int_values"] = json::object();
  graph["inputs"] = json::array();
  const char* fc = "L__self__,,nets.Net;L__self___fc,fc,torch.nn.modules.linear.Linear";
  const char* top = "L__self__,,nets.Net";
  const auto unbind = json{
      {"target", "torch.ops.aten.unbind.int"},
      {"inputs", json::array({named("self", tensor("permute"))})},
      {"outputs",
       json::array(
           {{{"as_tensors", json::array({{{"name", "q"}}, {{"name", "k"}}, {{"name", "v"}}})}}})},
      {"metadata", {{"nn_module_stack", top}}}};
  graph["nodes"] = json::array(
      {node("linear.default",
            json::array({named("input", tensor("x")), named("weight", tensor("p_fc_weight")),
                         named("bias", tensor("p_fc_bias"))}),
            "linear", fc),
       node("view.default",
            json::array(
                {named("self", tensor("linear")), named("size", {{"as_ints", {2, 5, 3, 2, 4}}})}),
            "view", top),
       node("permute.default",
            json::array(
                {named("self", tensor("view")), named("dims", {{"as_ints", {2, 0, 3, 1, 4}}})}),
            "permute", top),
       unbind,
       node(
           "scaled_dot_product_attention.default",
           json::array(
               {named("query", tensor("q")), named("key", tensor("k")), named("value", tensor("v")),
                named("attn_mask", {{"as_none", true}}), named("dropout_p", {{"as_float", 0.0}}),
                named("is_causal", {{"as_bool", true}}), named("scale", {{"as_float", 0.25}})}),
           "sdpa", top)});
  graph["outputs"] = json::array({tensor("sdpa")});
  module["signature"]["input_specs"] = json::array(
      {{{"parameter", {{"arg", {{"name", "p_fc_weight"}}}, {"parameter_name", "fc.weight"}}}},
       {{"parameter", {{"arg", {{"name", "p_fc_bias"}}}, {"parameter_name", "fc.bias"}}}},
       {{"user_input", {{"arg", tensor("x")}}}}});
  p["schema_version"] = {{"major", 8}, {"minor", 1}};
  return p;
}

}  // namespace

TEST_CASE("operators that torch.export keeps whole, and symbolic sizes at their example") {
  std::vector<std::string> notes;
  auto p = program();
  auto graph =
      torch::import_trace(torch::trace_from_exported(test::parsed(test::dumped(p)), notes));
  CHECK(notes.empty());
  CHECK(unknown_ops(graph).empty());
  CHECK(macs_by_module(graph).sum() == Count(2 * 5 * 8 * 24 + 2 * 2 * 5 * 5 * 4 * 2));
  const auto& attention = graph.nodes[graph.outputs[0]].op;
  REQUIRE(std::holds_alternative<op::Sdpa>(attention));
  CHECK(std::get<op::Sdpa>(attention).causal);
  CHECK(std::get<op::Sdpa>(attention).scale == 0.25);
  CHECK(graph.modules[0].type == "Net");
  CHECK(graph.modules[1].type == "Linear");

  auto& x = p["graph_module"]["graph"]["tensor_values"]["x"]["sizes"][0];
  x = {{"as_expr", {{"expr_str", "s0"}, {"hint", {{"as_int", 2}}}}}};
  (void)torch::trace_from_exported(test::parsed(test::dumped(p)), notes);
  REQUIRE(notes.size() == 1);
  CHECK(notes[0] == "the size s0 is symbolic; 2 is taken, its example");
  x = {{"as_expr", {{"expr_str", "s0"}, {"hint", nullptr}}}};
  CHECK(test::refusal([&] {
          return torch::trace_from_exported(test::parsed(test::dumped(p)), notes);
        }).find("has no example") != std::string::npos);
}

TEST_CASE("an archive that is no exported program, or is damaged, is refused") {
  const test::TemporaryFolder folder;
  std::ifstream in(trace_path("resnet.pt2"), std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(in), {}};
  const auto refusal = [&](const std::string& bytes) {
    const auto path = folder.write("x.pt2", bytes);
    const auto message = test::refusal([&] { return load_model(path); });
    CHECK(message.starts_with(path + ": "));
    return message;
  };
  CHECK(refusal("not a zip").find("no zip archive") != std::string::npos);
  for (const std::size_t size :
       {std::size_t{10}, std::size_t{1000}, whole.size() / 2, whole.size() - 10})
    CHECK_FALSE(refusal(whole.substr(0, size)).empty());
  auto version = whole;
  const auto at = version.find("\"major\":7");
  REQUIRE(at != std::string::npos);
  version[at + 8] = '9';
  CHECK(refusal(version).find("9.3 is not read") != std::string::npos);
  auto name = whole;
  for (auto found = name.find("exported_program"); found != std::string::npos;
       found = name.find("exported_program", found + 1))
    name[found] = 'E';
  CHECK(refusal(name).find("holds no exported program") != std::string::npos);
  auto program_json = program();
  program_json["graph_module"]["graph"]["nodes"][0]["inputs"][0]["arg"]["as_tensor"]["name"] =
      "nowhere";
  std::vector<std::string> notes;
  CHECK(test::refusal([&] {
          return torch::trace_from_exported(test::parsed(test::dumped(program_json)), notes);
        })
            .starts_with(
                "/graph_module/graph/nodes/0/inputs/0/arg/as_tensor: 'nowhere' is read before"));
}
