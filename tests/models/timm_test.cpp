// timm's own models, counted by PyTorch: parameters, tokens, shapes and MACs, exactly.
#include "support/timm.h"

#include "cost/rollup.h"
#include "frontends/spec/builtin.h"
#include "frontends/spec/spec.h"
#include "support/json.h"
#include "support/run.h"

#include <doctest/doctest.h>

#include <set>

using namespace vitals;
using nlohmann::json;

namespace {

json records(const std::string& file) { return test::parsed(test::data("timm/" + file)); }

std::vector<std::uint64_t> dims(const Shape& shape) { return {shape.begin(), shape.end()}; }

std::map<std::string, std::uint64_t> params_of_children(const Graph& graph) {
  std::map<std::string, std::uint64_t> children;
  for (const auto& [name, count] : params_by_child(graph, parameters(graph)))
    children[name] = count.value();
  return children;
}

void check_counts(const Graph& graph, const json& record) {
  const auto params = parameters(graph);
  CHECK(params.sum().value() == record["params_total"].get<std::uint64_t>());
  test::check_children(params_of_children(graph), record["params_by_top_level_child"]);
  REQUIRE(graph.outputs.size() == 1);
  CHECK(dims(graph.nodes[graph.outputs[0]].shape) ==
        record["out_shape"].get<std::vector<std::uint64_t>>());
  if (record.contains("num_tokens"))
    CHECK(graph.num_tokens == record["num_tokens"].get<std::uint64_t>());
  if (record.contains("params_per_block")) {
    for (ModuleId id = 0; id < graph.modules.size(); ++id)
      if (graph.modules[id].path == "blocks.0")
        CHECK(params.total[id].value() == record["params_per_block"].get<std::uint64_t>());
  }
}

}  // namespace

TEST_CASE("built-in models count what PyTorch counted") {
  for (const auto& family : test::timm_families()) {
    for (const auto& record : records(family + "_expected.json")) {
      const auto name = record["name"].get<std::string>();
      CAPTURE(name);
      const auto graph = builtin_model(name, "").build();
      check_counts(graph, record);
      CHECK(macs_by_module(graph).sum().value() ==
            record["macs"]["matmul_conv_linear"].get<std::uint64_t>());
    }
  }
}

TEST_CASE("randomly drawn configurations count what PyTorch counted") {
  for (const auto& record : records("random_vit.json")) {
    const auto name = record["name"].get<std::string>();
    CAPTURE(name);
    auto spec = record["hyperparameters"];
    spec["architecture"] = "vision_transformer";
    const auto graph = model_from_spec(spec, "test", "test").build();
    check_counts(graph, record);
    CHECK(macs_by_module(graph).sum().value() == record["macs"].get<std::uint64_t>());
  }
}

// The effective arguments of every entrypoint are a spec as they stand, and the built-in model of
// that name means exactly them.
TEST_CASE("timm's constructor arguments are specs, and the built-in models are these") {
  std::set<std::string> seen;
  for (const auto& family : test::timm_families()) {
    for (const auto& record : records(family + "_specs.json")) {
      const auto name = record["name"].get<std::string>();
      CAPTURE(name);
      seen.insert(name);
      auto stated = spec_of(model_from_spec(record, "test", ""));
      auto builtin = spec_of(builtin_model(name, ""));
      // Left open where patches fill the image, so that a size which they do not fill is answered.
      for (auto* spec : {&stated, &builtin}) {
        if (!spec->contains("dynamic_img_pad")) continue;
        const auto& pad = (*spec)["dynamic_img_pad"];
        if (pad.is_null() || pad == false) spec->erase("dynamic_img_pad");
      }
      CHECK(test::dumped(stated) == test::dumped(builtin));
    }
  }
  CHECK(seen.size() == 273);
}

TEST_CASE("models as their published weights configure them") {
  for (const auto& row : test::timm_csv("pretrained_tags.csv")) {
    const auto tag = row.at("model_tag");
    const auto name = tag.substr(0, tag.find('.'));
    CAPTURE(tag);
    if (builtin_canonical(name).empty()) continue;
    const auto graph = test::with(builtin_model(name, ""), {{"num_classes", row.at("num_classes")},
                                                            {"img_size", row.at("img_size")},
                                                            {"global_pool", row.at("global_pool")}})
                           .build();
    CHECK(fmt::format("{}", parameters(graph).sum()) == row.at("params_total"));
    CHECK(fmt::format("{}", macs_by_module(graph).sum()) == row.at("macs_matmul_conv_linear"));
    if (!row.at("num_tokens").empty())
      CHECK(fmt::format("{}", graph.num_tokens) == row.at("num_tokens"));
  }
}

TEST_CASE("parameters as timm published them, to the printed digits") {
  for (const auto& row : test::timm_csv("published_gmacs.csv")) {
    const auto name = row.at("model");
    const auto source = row.at("source");
    CAPTURE(name);
    CAPTURE(source);
    if (builtin_canonical(name).empty()) continue;
    auto model = test::with(builtin_model(name, ""), {{"img_size", row.at("img_size")}});
    // These two had the head of ImageNet-21k when that file was made.
    const bool old = source.find("-pt113-") != std::string::npos;
    if (old && (name == "vit_large_patch32_224" || name == "vit_huge_patch14_224"))
      model = test::with(model, {{"num_classes", "21843"}});
    const auto millions = parameters(model.build()).sum().as_double() / 1e6;
    CHECK(fmt::format("{:.2f}", millions) ==
          fmt::format("{:.2f}", std::stod(row.at("param_count_M"))));
  }
}
