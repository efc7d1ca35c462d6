// ConvNeXt against what its papers, timm and torchvision published: parameters, GMACs, activations,
// and the keys of timm's checkpoints.
#include "conventions/conventions.h"
#include "cost/rollup.h"
#include "frontends/spec/builtin.h"
#include "frontends/spec/spec.h"
#include "support/json.h"
#include "support/refusal.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

using namespace vitals;
using nlohmann::json;

namespace {

Model convnext(const json& fields) {
  json spec = fields;
  spec["architecture"] = "convnext";
  return model_from_spec(spec, "spec", "test");
}

std::map<std::string, Shape> params_of(const Graph& graph) {
  std::map<std::string, Shape> all;
  for (const auto& param : graph.params) all[path_of(graph, param)] = param.shape;
  return all;
}

Shape output_of(const Graph& graph) { return graph.nodes[graph.outputs.at(0)].shape; }

std::string convnext_fault(const json& fields) {
  return test::refusal([&] { return convnext(fields).build(); });
}

}  // namespace

// Parameters: torchvision (V1) and the tables of both repositories; GMACs and activations in
// millions: timm's results, which are fvcore's counts.
TEST_CASE("ConvNeXt has the parameters, GMACs and activations that were published") {
  const struct {
    const char* name;
    std::uint64_t params;
    const char* gmacs;
    const char* activations;
  } models[] = {
      {"convnext_tiny", 28'589'128, "4.47", "13.44"},
      {"convnext_small", 50'223'688, "8.71", "21.56"},
      {"convnext_base", 88'591'464, "15.38", "28.75"},
      {"convnext_large", 197'767'336, "34.40", "43.13"},
      {"convnextv2_tiny", 28'635'496, "4.47", "13.44"},
      {"convnextv2_base", 88'717'800, "15.38", "28.75"},
      {"convnextv2_large", 197'956'840, "34.40", "43.13"},
  };
  for (const auto& m : models) {
    CAPTURE(m.name);
    const auto graph = builtin_model(m.name, "").build();
    CHECK(parameters(graph).sum().value() == m.params);
    CHECK(fmt::format("{:.2f}", total(*find_convention("fvcore"), graph)->as_double() / 1e9) ==
          m.gmacs);
    CHECK(fmt::format("{:.2f}", total(fvcore_activations(), graph)->as_double() / 1e6) ==
          m.activations);
    CHECK(output_of(graph) == Shape{1, 1000});
  }
}

// fvcore/nn/flop_count.py: elementwise_flop_counter(1, 0); thop/vision/calc_func.py:
// calculate_adaptive_avg.
TEST_CASE("fvcore and thop count the pooling of images in their ways") {
  const auto graph = builtin_model("convnext_tiny", "").build();
  const auto of_pool = [&](const char* convention) {
    std::uint64_t sum = 0;
    find_convention(convention)->visit(graph, [&](const CountedItem& item) {
      if (graph.modules[item.module].type == "AdaptiveAvgPool2d")
        sum += item.formula.value().value();
    });
    return sum;
  };
  CHECK(of_pool("fvcore") == 768 * 7 * 7);
  CHECK(of_pool("thop") == 768 * (7 * 7 + 1));
}

TEST_CASE("ConvNeXt's parameters have the names and shapes of timm's checkpoints") {
  const auto params = params_of(builtin_model("convnext_tiny", "").build());
  const std::pair<const char*, Shape> some[] = {
      {"stem.0.weight", {96, 3, 4, 4}},
      {"stem.1.bias", {96}},
      {"stages.0.blocks.0.conv_dw.weight", {96, 1, 7, 7}},
      {"stages.0.blocks.2.gamma", {96}},
      {"stages.1.downsample.0.weight", {96}},
      {"stages.1.downsample.1.weight", {192, 96, 2, 2}},
      {"stages.2.blocks.8.norm.weight", {384}},
      {"stages.2.blocks.8.mlp.fc1.weight", {1536, 384}},
      {"stages.3.blocks.2.mlp.fc2.weight", {768, 3072}},
      {"head.norm.weight", {768}},
      {"head.fc.bias", {1000}},
  };
  for (const auto& param : some) {
    const auto& key = param.first;
    const auto& shape = param.second;
    CAPTURE(key);
    REQUIRE(params.contains(key));
    CHECK(params.at(key) == shape);
  }
  CHECK_FALSE(params.contains("stages.0.downsample.0.weight"));
  const auto v2 = params_of(builtin_model("convnextv2_tiny", "").build());
  CHECK(v2.at("stages.0.blocks.0.mlp.grn.weight") == Shape{384});
  CHECK(v2.at("stages.3.blocks.2.mlp.grn.bias") == Shape{3072});
  CHECK_FALSE(v2.contains("stages.0.blocks.0.gamma"));
}

TEST_CASE("ConvNeXt's variants have the layers of timm's module") {
  const auto of = [](const json& fields) { return params_of(convnext(fields).build()); };
  const auto overlap = of({{"stem_type", "overlap"}});
  CHECK(overlap.at("stem.0.weight") == Shape{96, 3, 3, 3});
  CHECK(overlap.at("stem.1.weight") == Shape{96, 96, 3, 3});
  CHECK(overlap.contains("stem.2.bias"));
  // make_divisible(40 / 2, 8) = 24
  const auto tiered = of({{"stem_type", "overlap_tiered"}, {"dims", {40, 80, 160, 320}}});
  CHECK(tiered.at("stem.0.weight") == Shape{24, 3, 3, 3});
  CHECK(tiered.at("stem.1.weight") == Shape{40, 24, 3, 3});

  const auto conv = of({{"conv_mlp", true}, {"use_grn", true}, {"conv_bias", false}});
  CHECK(conv.at("stages.0.blocks.0.mlp.fc1.weight") == Shape{384, 96, 1, 1});
  CHECK(conv.contains("stages.0.blocks.0.mlp.fc1.bias"));
  CHECK_FALSE(conv.contains("stages.0.blocks.0.conv_dw.bias"));
  CHECK_FALSE(conv.contains("stem.0.bias"));

  const auto first = of({{"head_norm_first", true}});
  CHECK(first.contains("norm_pre.weight"));
  CHECK_FALSE(first.contains("head.norm.weight"));
  const auto hidden = of({{"head_hidden_size", 512}});
  CHECK(hidden.at("head.pre_logits.fc.weight") == Shape{512, 768});
  CHECK(hidden.at("head.fc.weight") == Shape{1000, 512});

  const auto unpooled = convnext({{"global_pool", ""}}).build();
  CHECK(output_of(unpooled) == Shape{1, 1000, 7, 7});
  CHECK(params_of(unpooled).at("head.fc.weight") == Shape{1000, 768, 1, 1});
  CHECK(output_of(convnext({{"global_pool", ""}, {"num_classes", 0}}).build()) ==
        Shape{1, 768, 7, 7});

  // A stem of patches of 2 leaves a halving to the first stage.
  const auto fine = convnext({{"patch_size", 2}, {"img_size", {70, 64}}}).build();
  CHECK(params_of(fine).at("stages.0.downsample.1.weight") == Shape{96, 96, 2, 2});
  CHECK(fine.num_tokens == 35 * 32);
}

TEST_CASE("1x1 convolutions compute what Linear layers do") {
  for (const bool grn : {false, true}) {
    const json fields{{"use_grn", grn}};
    json other = fields;
    other["conv_mlp"] = true;
    const auto a = convnext(fields).build();
    const auto b = convnext(other).build();
    CHECK(parameters(a).sum() == parameters(b).sum());
    CHECK(macs_by_module(a).sum() == macs_by_module(b).sum());
    CHECK(total(fvcore_activations(), a) == total(fvcore_activations(), b));
  }
}

// From the first norm on; a block's own norm reads its rows as they lie, without a copy.
TEST_CASE("ConvNeXt's images have the channels last in memory") {
  for (const bool conv_mlp : {false, true}) {
    const auto graph = convnext({{"conv_mlp", conv_mlp}}).build({.batch = 2});
    std::size_t depthwise = 0;
    for (const auto& node : graph.nodes) {
      const auto* conv = std::get_if<op::Conv>(&node.op);
      if (conv == nullptr || conv->in == 3) continue;
      depthwise += conv->groups > 1 ? 1 : 0;
      CHECK(is_channels_last(node.shape, node.strides));
    }
    CHECK(depthwise == 18);
    CHECK(std::none_of(graph.nodes.begin(), graph.nodes.end(),
                       [](const Node& n) { return std::holds_alternative<op::Copy>(n.op); }));
  }
}

TEST_CASE("ConvNeXt trains with dropout and stochastic depth") {
  const auto graph =
      convnext({{"drop_rate", 0.1}, {"drop_path_rate", 0.1}}).build({.training = true});
  const auto paths = [&](auto is) {
    std::vector<double> rates;
    for (const auto& node : graph.nodes)
      if (const auto* o = is(node)) rates.push_back(o->rate);
    return rates;
  };
  // linspace(0, 0.1, 18): the first block drops nothing.
  const auto rates = paths([](const Node& n) { return std::get_if<op::DropPath>(&n.op); });
  REQUIRE(rates.size() == 17);
  CHECK(rates.front() == doctest::Approx(0.1 / 17));
  CHECK(rates.back() == doctest::Approx(0.1));
  CHECK(paths([](const Node& n) { return std::get_if<op::Dropout>(&n.op); }).size() == 1);
}

TEST_CASE("what timm's ConvNeXt does and vitals does not know is refused by its field") {
  const std::pair<json, const char*> faults[] = {
      {{{"patch_size", 8}}, "/patch_size: behind patches of 8 timm dilates"},
      {{{"output_stride", 16}}, "/output_stride: 16 is too small"},
      {{{"kernel_sizes", 4}}, "/kernel_sizes: 4 is even"},
      {{{"kernel_sizes", {7, 7}}}, "/kernel_sizes: 2 values for 4 stages"},
      {{{"depths", {3, 3, 9}}}, "/depths: 3 values for 4 stages"},
      {{{"dims", {96}}}, "/dims: 1 values for 4 stages"},
      {{{"stem_type", "overlap_act"}}, "/stem_type: unknown value 'overlap_act'"},
      {{{"norm_layer", "rmsnorm2d"}}, "/norm_layer: unknown value 'rmsnorm2d'"},
      {{{"img_size", 31}}, "/img_size: 31x31 pixels leave nothing for the last stage"},
      {{{"head_norm_first", true}, {"head_hidden_size", 8}},
       "/head_hidden_size: a head whose norm comes first has no hidden layer"},
      {{{"head_norm_first", true}, {"global_pool", ""}}, "/global_pool: without pooling"},
  };
  for (const auto& fault : faults) {
    const auto& fields = fault.first;
    const auto& message = fault.second;
    CAPTURE(test::dumped(fields));
    CHECK(convnext_fault(fields).find(message) != std::string::npos);
  }
}
