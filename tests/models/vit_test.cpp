#include "models/vision/vit.h"

#include "cost/rollup.h"
#include "frontends/spec/builtin.h"
#include "frontends/spec/spec.h"
#include "support/json.h"
#include "support/model.h"

#include <doctest/doctest.h>

using namespace vitals;

// Megatron-LM (arXiv:1909.08053) and the field: a layer has 12h^2 + 13h parameters.
TEST_CASE("a block has 12h^2 + 13h parameters, whatever the width") {
  for (std::uint64_t h = 8; h <= 4096; h += 8 * (1 + h / 64)) {
    const auto graph = test::trace(
        {{"architecture", "vit"}, {"embed_dim", h}, {"num_heads", h / 8}, {"depth", 1}});
    const auto params = parameters(graph);
    for (ModuleId id = 0; id < graph.modules.size(); ++id)
      if (graph.modules[id].path == "blocks.0")
        CHECK(params.total[id] == Count(12 * h * h + 13 * h));
  }
}

TEST_CASE("children sum to their parents in every rollup") {
  for (const auto* name : {"vit_base_patch32_224", "vit_base_patch16_224"}) {
    const auto graph = builtin_model(name, "").build();
    const auto children = children_of(graph);
    for (const auto& r : {parameters(graph), macs_by_module(graph)}) {
      Count all;
      for (ModuleId id = 0; id < graph.modules.size(); ++id) {
        Count sum = r.own[id];
        for (auto child : children[id]) sum += r.total[child];
        CHECK(sum == r.total[id]);
        all += r.own[id];
      }
      CHECK(all == r.sum());
    }
  }
}

TEST_CASE("counts scale with the batch exactly as far as they must") {
  const nlohmann::json spec = {{"architecture", "vit"}, {"depth", 2}};
  const auto one = test::trace(spec);
  const auto many = test::trace(spec, {.batch = 7});
  CHECK(parameters(one).sum() == parameters(many).sum());
  CHECK(macs_by_module(one).sum() * 7 == macs_by_module(many).sum());
}

// What the original constructor and timm's take, so that a record of all arguments is a spec.
TEST_CASE("arguments without effect are taken as the libraries take them") {
  const auto params = [](const nlohmann::json& fields) {
    auto spec = nlohmann::json{{"architecture", "vit"}};
    spec.update(fields);
    return parameters(model_from_spec(spec, "test", "test").build()).sum();
  };
  const auto plain = params(nlohmann::json::object());
  CHECK(params({{"representation_size", nullptr}}) == plain);
  CHECK(params({{"representation_size", 0}}) == plain);
  const auto unplaced = nlohmann::json{{"pos_embed", "none"}};
  CHECK(params(unplaced) == plain - 197 * 768);
  auto flagged = unplaced;
  flagged["no_embed_class"] = true;
  CHECK(params(flagged) == params(unplaced));
  flagged["architecture"] = "vit";
  CHECK(model_from_spec(flagged, "test", "test").all_notes().size() == 1);
}

TEST_CASE("an activation that timm's blocks override is remarked on, and still must exist") {
  const auto with_act = [](const char* act) {
    return test::model(
        {{"architecture", "vit"}, {"mlp_layer", {{"kind", "GluMlp"}, {"act_layer", act}}}});
  };
  REQUIRE(with_act("SiLU").all_notes().size() == 1);
  CHECK(with_act("SiLU").all_notes()[0].find("act_layer SiLU has no effect") != std::string::npos);
  CHECK(with_act("GELU").all_notes().empty());
  CHECK_THROWS_WITH_AS((void)with_act("SiLUU"), doctest::Contains("unknown activation"), Error);
}
