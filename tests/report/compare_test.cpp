#include "report/compare.h"

#include "frontends/spec/builtin.h"
#include "support/json.h"
#include "support/run.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace vitals;
using nlohmann::json;

TEST_CASE("compared figures are those of each model alone") {
  const std::vector<std::string> names = {"vit_base_patch16_224", "deit3_base_patch16_224"};
  auto arguments = names;
  arguments.insert(arguments.begin(), "compare");
  arguments.insert(arguments.end(), {"--format", "json"});
  const auto compared = test::parsed(test::run(arguments).out);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto flops = test::parsed(test::run({"flops", names[i], "--format", "json"}).out);
    const auto summary = test::parsed(test::run({"summary", names[i], "--format", "json"}).out);
    CHECK(compared["models"][i]["model"] == names[i]);
    CHECK(compared["models"][i]["params"] == summary["totals"]["params"]);
    CHECK(compared["models"][i]["macs"] == flops["macs"]);
    CHECK(compared["models"][i]["num_tokens"] == summary["totals"]["num_tokens"]);
    CHECK(compared["models"][i]["activations_fvcore"] == flops["activations_fvcore"]);
    for (const auto& module : compared["modules"])
      CHECK(module["params"][i] == summary["params_by_child"][module["path"].get<std::string>()]);
  }
}

TEST_CASE("only modules that all models have are compared, as deep as asked") {
  std::vector<Graph> graphs;
  for (const auto* name : {"vit_tiny_patch16_224", "deit3_small_patch16_224"})
    graphs.push_back(builtin_model(name, "").build());
  const auto has = [](const Comparison& c, const std::string& path) {
    return std::any_of(c.modules.begin(), c.modules.end(),
                       [&](const auto& m) { return m.path == path; });
  };
  const auto shallow = compare(graphs, 1);
  CHECK(has(shallow, "blocks"));
  CHECK_FALSE(has(shallow, "blocks.0"));
  const auto deep = compare(graphs, 4);
  CHECK(has(deep, "blocks.11.attn.qkv"));
  CHECK_FALSE(has(deep, "blocks.11.ls1"));  // LayerScale is DeiT III's alone
}

TEST_CASE("compare needs two models") {
  CHECK(test::run({"compare", "vit_base_patch16_224"}).exit_code == 2);
  CHECK(test::run({"compare", "vit_base_patch16_224", "vit_bas"}).exit_code == 1);
}
