// The roles that layers state when they are built: analyses rely on every parameter having one.
#include "frontends/spec/builtin.h"
#include "frontends/spec/spec.h"
#include "graph/role.h"
#include "support/json.h"

#include <doctest/doctest.h>

#include <map>

using namespace vitals;

namespace {

// Elements of all weights (no biases) of each role.
std::map<Role, std::uint64_t> weights_by_role(const Graph& graph) {
  std::map<Role, std::uint64_t> sums;
  for (const auto& param : graph.params)
    if (!param.buffer && !param.bias) sums[param.role] += numel(param).value();
  return sums;
}

}  // namespace

TEST_CASE("every parameter of the built-in models has a role, and it is no container's") {
  REQUIRE(builtin_names().size() > 100);
  for (const auto& name : builtin_names()) {
    const auto graph = builtin_model(name, "").build();
    CAPTURE(name);
    for (const auto& param : graph.params) {
      if (param.buffer) continue;
      CAPTURE(path_of(graph, param));
      CHECK(param.role != Role::none);
      CHECK_FALSE(holds_modules(param.role));
    }
  }
}

TEST_CASE("an op's second parameter is a bias, its first is none") {
  for (const auto* name : {"gpt2", "bert-base-uncased", "vit_base_patch16_224", "gpt-oss-20b"}) {
    const auto graph = builtin_model(name, "").build();
    CAPTURE(name);
    std::size_t seen = 0;
    for (const auto& node : graph.nodes) {
      const auto [weight, bias] = node.params;
      if (bias == kNone) continue;
      ++seen;
      CHECK(graph.params[bias].bias);
      CHECK_FALSE(graph.params[weight].bias);
    }
    CHECK(seen > 0);
  }
}

// Sizes as the papers' tables and the published configs give them.
TEST_CASE("roles divide a model into the parts that its paper names") {
  SUBCASE("Llama 3 8B: 32 layers, 4096 wide, 8 heads of keys and values, 14336 inside") {
    const auto sums = weights_by_role(builtin_model("llama-3-8b", "").build());
    const std::uint64_t square = 4096ULL * 4096;
    CHECK(sums.at(Role::query) == 32 * square);
    CHECK(sums.at(Role::key) == 32 * square / 4);
    CHECK(sums.at(Role::value) == 32 * square / 4);
    CHECK(sums.at(Role::attention_output) == 32 * square);
    for (const auto role : {Role::gate, Role::up, Role::down})
      CHECK(sums.at(role) == 32ULL * 4096 * 14336);
    CHECK(sums.at(Role::embedding) == 128256ULL * 4096);
    CHECK(sums.at(Role::head) == 128256ULL * 4096);
    CHECK(sums.at(Role::norm) == 65ULL * 4096);
    CHECK(sums.size() == 10);
  }
  SUBCASE("GPT-2: joint projections, positions, and a head that is the table of tokens") {
    const auto sums = weights_by_role(builtin_model("gpt2", "").build());
    const std::uint64_t square = 768ULL * 768;
    CHECK(sums.at(Role::qkv) == 12 * 3 * square);
    CHECK(sums.at(Role::up) == 12 * 4 * square);
    CHECK(sums.at(Role::position_embedding) == 1024ULL * 768);
    CHECK(sums.at(Role::embedding) == 50257ULL * 768);
    CHECK(sums.count(Role::head) == 0);
  }
  SUBCASE("Mixtral 8x7B: eight experts a layer behind a router") {
    const auto graph = builtin_model("mixtral-8x7b", "").build();
    const auto sums = weights_by_role(graph);
    CHECK(sums.at(Role::gate) == 32ULL * 8 * 4096 * 14336);
    CHECK(sums.at(Role::down) == sums.at(Role::up));
    CHECK(sums.at(Role::router) == 32ULL * 8 * 4096);
    for (const auto& param : graph.params)
      CHECK(
          param.experts ==
          (param.role == Role::gate || param.role == Role::up || param.role == Role::down ? 8 : 0));
  }
}

TEST_CASE("modules know their layer and attentions their heads") {
  const auto graph = builtin_model("llama-3-8b", "").build();
  std::size_t layers = 0;
  std::size_t attentions = 0;
  for (const auto& module : graph.modules) {
    if (module.role == Role::layer) CHECK(module.layer == layers++);
    if (module.role != Role::attention) continue;
    ++attentions;
    CHECK(module.heads.query == 32);
    CHECK(module.heads.key == 8);
    CHECK(module.layer == layers - 1);
  }
  CHECK(layers == 32);
  CHECK(attentions == 32);
  CHECK(graph.modules[0].layer == kNone);
}
