// `vitals flops` as its readers see it: every table sums, every format says the same, every number
// can be traced to formulas.
#include "cost/training_flops.h"
#include "frontends/spec/builtin.h"
#include "frontends/spec/spec.h"
#include "graph/builder.h"
#include "support/json.h"
#include "support/run.h"
#include "support/timm.h"

#include <doctest/doctest.h>

#include <map>
#include <sstream>

using namespace vitals;
using nlohmann::json;

namespace {

json flops(std::vector<std::string> arguments, const std::string& input = "") {
  arguments.insert(arguments.begin(), "flops");
  arguments.insert(arguments.end(), {"--format", "json"});
  const auto result = test::run(arguments, input);
  REQUIRE(result.exit_code == 0);
  CHECK(result.err.empty());
  return test::parsed(result.out);
}

std::uint64_t u64(const json& value) { return value.get<std::uint64_t>(); }

std::string parent_of(const std::string& path) {
  const auto dot = path.rfind('.');
  return dot == std::string::npos ? "" : path.substr(0, dot);
}

// Own figures and the totals of the children make a module's total, in every quantity; own figures
// of all modules make the model's.
void check_sums(const json& modules, const std::vector<std::string>& quantities) {
  for (const auto& quantity : quantities) {
    CAPTURE(quantity);
    std::map<std::string, std::uint64_t> sums;
    std::uint64_t all = 0;
    for (const auto& module : modules) {
      const auto path = module["path"].get<std::string>();
      sums[path] += u64(module[quantity]);
      all += u64(module[quantity]);
      if (!path.empty()) sums[parent_of(path)] += u64(module["total"][quantity]);
    }
    CHECK(u64(modules[0]["total"][quantity]) == all);
    for (const auto& module : modules) {
      CAPTURE(module["path"].get<std::string>());
      CHECK(u64(module["total"][quantity]) == sums[module["path"].get<std::string>()]);
    }
  }
}

const char* const kDescriptions[] = {
    R"({"architecture": "vit", "depth": 3, "reg_tokens": 2, "init_values": 0.1, "qk_norm": true})",
    R"({"architecture": "vit", "depth": 2, "global_pool": "map", "class_token": false})",
    R"({"architecture": "vit", "depth": 2, "attn_layer": "diff", "mlp_layer": "SwiGLU"})",
    R"({"architecture": "vit", "depth": 2, "block_fn": "ParallelThingsBlock", "num_classes": 0})",
    R"({"architecture": "deit", "depth": 2, "patch_drop_rate": 0.5})",
};

}  // namespace

TEST_CASE("figures of modules sum to their parents and to the totals") {
  for (const auto* description : kDescriptions)
    for (const auto* checkpoint : {"none", "selective", "block"})
      for (const auto* attention : {"eager", "fused"}) {
        CAPTURE(description);
        const auto report =
            flops({"-", "--checkpoint", checkpoint, "--attention", attention, "--batch", "2"},
                  description);
        check_sums(report["modules"], {"macs", "flops", "bytes", "training_flops"});
        const auto& total = report["modules"][0]["total"];
        for (const auto* quantity : {"macs", "flops", "bytes", "training_flops"})
          CHECK(total[quantity] == report[quantity]);
        std::uint64_t steps = 0;
        for (const auto* part : {"forward", "grad_input", "grad_weight", "recompute"})
          steps += u64(report["training"][part]);
        CHECK(steps == u64(report["training_flops"]));
      }
}

TEST_CASE("kinds sum to fvcore's total, and conventions are consistent") {
  for (const auto* description : kDescriptions) {
    CAPTURE(description);
    const auto report = flops({"-"}, description);
    std::uint64_t kinds = 0;
    for (const auto& [kind, count] : report["by_kind"].items()) kinds += u64(count);
    CHECK(kinds == u64(report["conventions"]["fvcore"]));
    CHECK(u64(report["flops"]) == 2 * u64(report["macs"]));
    CHECK(u64(report["conventions"]["torch"]) == u64(report["flops"]));
    for (const auto& name : {"macs", "flops", "fvcore", "torch", "thop", "torchinfo", "seed"})
      CHECK(report["convention_sentences"].contains(name));
    CHECK(u64(report["arithmetic"]["multiplications"]) >= u64(report["macs"]));
  }
}

TEST_CASE("one convention by module, in JSON, CSV and as a tree") {
  for (const auto* name : {"macs", "flops", "fvcore", "torch", "thop", "torchinfo", "seed"}) {
    CAPTURE(name);
    const auto convention = flops({"vit_tiny_patch16_224", "--convention", name})["convention"];
    std::uint64_t own = 0;
    for (const auto& module : convention["modules"]) own += u64(module["count"]);
    CHECK(own == u64(convention["total"]));
    CHECK(u64(convention["modules"][0]["total"]) == own);
    std::istringstream csv(
        test::run({"flops", "vit_tiny_patch16_224", "--convention", name, "--format", "csv"}).out);
    std::string line;
    std::getline(csv, line);
    CHECK(line == fmt::format("path,type,{},total_{}", name, name));
    std::getline(csv, line);
    CHECK(line.ends_with(fmt::format(",{}", own)));
    const auto tree = test::run({"flops", "vit_tiny_patch16_224", "--convention", name}).out;
    CHECK(tree.find(convention["counts"].get<std::string>()) != std::string::npos);
  }
  CHECK(flops({"vit_tiny_patch16_224", "--set", "mlp_layer=SwiGLU"})["conventions"]["seed"]
            .is_null());
  const auto refused = test::run(
      {"flops", "vit_tiny_patch16_224", "--set", "mlp_layer=SwiGLU", "--convention", "seed"});
  CHECK(refused.exit_code == 1);
  CHECK(refused.out.empty());
}

TEST_CASE("CSV by module holds the figures of the JSON") {
  const auto report = flops({"vit_tiny_patch16_224"});
  std::istringstream csv(test::run({"flops", "vit_tiny_patch16_224", "--format", "csv"}).out);
  std::string line;
  std::getline(csv, line);
  for (const auto& module : report["modules"]) {
    std::getline(csv, line);
    auto expected = module["path"].get<std::string>() + "," + module["type"].get<std::string>();
    for (const auto* part : {&module, &module["total"]})
      for (const auto* quantity : {"macs", "flops", "bytes", "training_flops"})
        expected += "," + test::dumped((*part)[quantity]);
    CHECK(line == expected);
  }
}

TEST_CASE("every module and parameter can be explained, and the terms sum") {
  for (const auto* description : {kDescriptions[0], kDescriptions[2]}) {
    const auto report = flops({"-"}, description);
    std::vector<std::string> paths;
    for (const auto& module : report["modules"]) {
      paths.push_back(module["path"].get<std::string>());
      if (paths.size() > 25) break;
    }
    for (const auto& path : paths) {
      CAPTURE(path);
      const auto explained = flops({"-", "--explain", path, "--convention", "all"}, description);
      CHECK(explained["path"] == path);
      for (const auto& quantity : explained["quantities"]) {
        CAPTURE(quantity["name"].get<std::string>());
        std::uint64_t sum = 0;
        for (const auto& term : quantity["terms"]) {
          sum += u64(term["value"]);
          CHECK_FALSE(term["source"].get<std::string>().empty());
        }
        CHECK(sum == u64(quantity["value"]));
      }
    }
  }
}

TEST_CASE("explained numbers are those of the reports") {
  const auto report = flops({"vit_base_patch16_224"});
  const auto root = flops({"vit_base_patch16_224", "--explain", ".", "--convention", "all"});
  std::map<std::string, json> values;
  for (const auto& quantity : root["quantities"])
    values[quantity["name"].get<std::string>()] = quantity["value"];
  for (const auto* name : {"macs", "flops", "training_flops", "bytes"})
    CHECK(values[name] == report[name]);
  for (const auto& [name, count] : report["conventions"].items()) CHECK(values[name] == count);
  CHECK(values["params"] == 86'567'656);

  const auto text =
      test::run({"flops", "vit_base_patch16_224", "--explain", "blocks.0.attn.qkv"}).out;
  CHECK(text.find("rows x in x out = 197 x 768 x 2304 = 348,585,984") != std::string::npos);
  CHECK(text.find("out x in = 2304 x 768 = 1,769,472") != std::string::npos);
  const auto table = test::run({"flops", "vit_base_patch16_224", "--explain", "pos_embed"}).out;
  CHECK(table.find("1 x 197 x 768 = 151,296") != std::string::npos);

  const auto unknown =
      test::run({"flops", "vit_base_patch16_224", "--explain", "blocks.0.attn.kqv"});
  CHECK(unknown.exit_code == 1);
  CHECK(unknown.err.find("did you mean 'blocks.0.attn.qkv'") != std::string::npos);
}

// Three times the forward pass, but for the first layer, whose input needs no gradient.
TEST_CASE("training FLOPs follow from who needs a gradient") {
  const auto report = flops({"vit_base_patch16_224"});
  const std::uint64_t patches = 2 * 115'605'504;
  CHECK(u64(report["training_flops"]) == 3 * u64(report["flops"]) - patches);
  CHECK(u64(report["training"]["forward"]) == u64(report["flops"]));
  CHECK(u64(report["training"]["recompute"]) == 0);

  const std::uint64_t products = 2 * 715'327'488;
  const auto selective = flops({"vit_base_patch16_224", "--checkpoint", "selective"});
  CHECK(u64(selective["training"]["recompute"]) == products);
  const auto block = flops({"vit_base_patch16_224", "--checkpoint", "block"});
  CHECK(u64(block["training"]["recompute"]) == u64(report["flops"]) - patches - 2 * 768'000);
  // A fused attention makes its scores once more: half of what the core costs.
  const auto fused = flops({"vit_base_patch16_224", "--attention", "fused"});
  CHECK(u64(fused["training"]["recompute"]) == products / 2);
  CHECK(u64(fused["training_flops"]) == u64(report["training_flops"]) + products / 2);
}

TEST_CASE("frozen parameters have no gradient, and nothing before them") {
  Builder b("frozen", {.training = true});
  auto x = b.input({5, 4});
  x = b.linear(x, 3, b.param("first", {3, 4}));
  x = b.linear(x, 2, b.param("second", {2, 3}));
  auto graph = b.finish({x});
  const auto all = training_flops(graph, ActivationCheckpointing::none);
  CHECK(all.grad_weight == Count(2 * 5 * (4 * 3 + 3 * 2)));
  CHECK(all.grad_input == Count(2 * 5 * 3 * 2));
  graph.params[0].trainable = false;
  const auto last = training_flops(graph, ActivationCheckpointing::none);
  CHECK(last.grad_weight == Count(2 * 5 * 3 * 2));
  CHECK(last.grad_input == Count(0));
}

// Korthikanti et al. 2022, arXiv:2205.05198, eq. 7: 72 B L s h^2 (1 + s/6h + v/12hL) FLOPs of
// forward and backward, for their model of 530 billion parameters.
TEST_CASE("training FLOPs of Megatron's largest models are those of the paper") {
  const json spec = {{"architecture", "decoder"},
                     {"naming", "gpt2"},
                     {"position_embedding", "learned"},
                     {"hidden_size", 20480},
                     {"num_attention_heads", 128},
                     {"num_hidden_layers", 105},
                     {"vocab_size", 51200},
                     {"max_position_embeddings", 2048}};
  const auto graph = model_from_spec(spec, "test", "test")
                         .build({.batch = 280, .training = true, .seq_len = 2048});
  const auto flops = training_flops(graph, ActivationCheckpointing::none).total();
  const std::uint64_t b = 280, l = 105, s = 2048, h = 20480, v = 51200;
  CHECK(flops == Count(72 * b * l * s * h * h + 12 * b * l * s * s * h + 6 * b * s * h * v));
  CHECK(flops.as_double() == doctest::Approx(1.852230416203776e18).epsilon(1e-9));
}
