#include "frontends/spec/spec.h"

#include "frontends/spec/builtin.h"
#include "support/json.h"
#include "support/run.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace vitals;
using nlohmann::json;

TEST_CASE("a resolved spec describes itself") {
  for (const auto& name : builtin_names()) {
    CAPTURE(name);
    const auto spec = spec_of(builtin_model(name, ""));
    const auto again = spec_of(model_from_spec(json(spec), "test", "x"));
    CHECK(test::dumped(spec) == test::dumped(again));
  }
}

TEST_CASE("a short name means the 224 pixel one") {
  CHECK(builtin_canonical("vit_base_patch32") == "vit_base_patch32_224");
  CHECK(builtin_canonical("vit_base_patch999").empty());
}

TEST_CASE("faults in a spec are answered, with nothing on standard output") {
  const struct {
    const char* spec;
    const char* message;
  } faults[] = {
      {"", "standard input: empty"},
      {"{\"architecture\": \"vit\",\n \"depth\": }", "standard input:2:11: not JSON"},
      {"[1]", "expected a JSON object, got array"},
      {R"({"embed_dim": 3})", "missing field 'architecture'"},
      {R"({"architecture": "vitt"})",
       "/architecture: unknown architecture 'vitt'; did you mean 'vit' or 'pit'?"},
      {R"({"architecture": "vit", "depht": 1})",
       "/depht: unknown field of architecture 'vit'; did you mean 'depth'?"},
      {R"({"architecture": "vit", "depth": "12"})", "/depth: expected an integer, got \"12\""},
      {R"({"architecture": "vit", "depth": 1.5})", "/depth: expected an integer, got 1.5"},
      {R"({"architecture": "vit", "depth": -1})", "/depth: -1 is too small"},
      {R"({"architecture": "vit", "depth": 1000000000})",
       "/depth: 1000000000 is too large; at most 100000"},
      {R"({"architecture": "vit", "embed_dim": 770})",
       "/embed_dim: 770 is not divisible by num_heads 12"},
      {R"({"architecture": "vit", "img_size": 225})",
       "/img_size: height 225 is not divisible by the patch height 16"},
      {R"({"architecture": "vit", "img_size": 0})", "/img_size: 0 is too small; at least 1"},
      {R"({"architecture": "vit", "depth": 1, "depth": 2})",
       "standard input: /depth: the key stands twice in one object"},
      {R"({"architecture": "vit", "in_c": 1, "in_chans": 1})", "/in_c: stands beside 'in_chans'"},
      {R"({"architecture": "vit", "norm_layer": {"kind": "BatchNorm"}})",
       "/norm_layer: unknown value 'BatchNorm'"},
      {R"({"architecture": "vit", "class_token": false})",
       "/class_token: global_pool 'token' needs a class token"},
      {R"({"base": "vit_base_patch3"})", "/base: unknown model 'vit_base_patch3'; did you mean"},
      {R"({"architecture": "vit", "embed_dim": 16777216, "num_heads": 1, "mlp_ratio": 10000, "depth": 10000})",
       "blocks.0.mlp.fc1"},
  };
  for (const auto& fault : faults) {
    CAPTURE(fault.spec);
    const auto result = test::run({"summary", "-"}, fault.spec);
    CHECK(result.exit_code == 1);
    CHECK(result.out.empty());
    CHECK(result.err.find(fault.message) != std::string::npos);
    CAPTURE(result.err);
    CHECK(result.err.starts_with("vitals: "));
  }
}

TEST_CASE("the order of keys does not matter") {
  const std::string a =
      R"({"architecture":"vit","depth":2,"in_c":1,"drop_ratio":0.1,"num_classes":7})";
  const std::string b =
      R"({"num_classes":7,"drop_ratio":0.1,"in_c":1,"depth":2,"architecture":"vit"})";
  for (const auto* format : {"json", "csv", "table", "markdown"})
    CHECK(test::run({"summary", "-", "--format", format}, a).out ==
          test::run({"summary", "-", "--format", format}, b).out);
}
