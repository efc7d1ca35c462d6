// What a description, a trace or a data file that cannot be is answered with: the messages that no
// other test happens to reach.
#include "analysis/optimizer.h"
#include "analysis/precision.h"
#include "graph/builder.h"
#include "models/layers.h"
#include "spec/builtin.h"
#include "spec/calibration.h"
#include "spec/device.h"
#include "spec/spec.h"
#include "spec/timm_config.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <functional>
#include <string>

using namespace vitals;
using nlohmann::json;

namespace {

// The message of what is thrown; empty where nothing is.
std::string refusal(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

void refuses(const std::function<void()>& act, const std::string& words) {
  const auto message = refusal(act);
  CAPTURE(words);
  CHECK(message.find(words) != std::string::npos);
  if (message.find(words) == std::string::npos) MESSAGE(message);
}

}  // namespace

TEST_CASE("specs whose fields contradict each other name the field and the mend") {
  struct Case {
    const char* spec;
    const char* words;
  };
  const Case cases[] = {
      {R"({"base": "vit_base_patch16_224", "architecture": "eva"})", "/architecture: 'eva' contr"},
      {R"({"architecture": "vit", "norm_layer": {"kind": "LayerNorm", "esp": 1}})",
       "unknown option 'esp' of \"LayerNorm\"; did you mean 'eps'?"},
      {R"({"architecture": "vit", "attn_layer": "diff", "embed_dim": 36, "num_heads": 12})",
       "/num_heads: differential attention halves the head dimension, and 3 is odd"},
      {R"({"architecture": "vit", "block_fn": "ParallelScalingBlock", "mlp_layer": "SwiGLU"})",
       "/mlp_layer: a ParallelScalingBlock holds its MLP itself"},
      {R"({"architecture": "vit", "pos_embed": "none", "no_embed_class": true})",
       "/no_embed_class: there is no position embedding"},
      {R"({"architecture": "vit", "mlp_layer": "GluMlp", "embed_dim": 12, "num_heads": 1,
           "mlp_ratio": 0.75})",
       "/mlp_ratio: a GluMlp splits its hidden features in two, and 9 is odd"},
      {R"({"architecture": "vit", "img_size": 230, "dynamic_img_pad": true})",
       "/dynamic_img_pad: padding adds patches"},
      {R"({"architecture": "swin_transformer", "depths": [1,1,1,1,1,1,1,1,1,1,1,1,1],
           "num_heads": [1,1,1,1,1,1,1,1,1,1,1,1,1]})",
       "/depths: 13 stages"},
      {R"({"architecture": "decoder", "parallel_residual": true, "norm_position": "post"})",
       "/norm_position: 'post' has no parallel form"},
      {R"({"architecture": "decoder", "norm_layer": "RmsNorm", "norm_bias": true,
           "qk_norm_bias": true})",
       "/qk_norm_bias: an RmsNorm has no bias"},
      {R"({"architecture": "decoder", "kv_lora_rank": 64, "qk_norm": "head"})",
       "/qk_norm: latent attention normalises its latents"},
      {R"({"architecture": "decoder", "naming": "phi3", "qk_norm": "width"})",
       "/qk_norm: 'width' needs queries and keys of their own"},
      {R"({"architecture": "encoder_decoder", "naming": "t5", "encoder_layers": 0,
           "decoder_layers": 0})",
       "/decoder_layers: neither encoder nor decoder has a layer"},
      {R"({"architecture": "image_tower", "head": "projection", "pooling": "none"})",
       "/pooling: a projection needs one vector"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.spec);
    refuses([&] { (void)model_from_spec(json::parse(c.spec), "s.json", "s"); }, c.words);
  }
}

TEST_CASE("lengths that a model has no positions for") {
  const auto build = [](const char* name, const BuildOptions& options) {
    return [name, options] { (void)builtin_model(name, "").build(options); };
  };
  BuildOptions longer;
  longer.seq_len = 100'000;
  refuses(build("gpt2", longer), "learned positions; a smaller --seq-len fits");
  refuses(build("bert-base-uncased", longer), "learned positions; a smaller --seq-len fits");
  BuildOptions later;
  later.past_len = 3;
  refuses(build("bert-base-uncased", later), "an encoder reads a text at once");
}

TEST_CASE("ops refuse operands that do not fit, and say both shapes") {
  const auto with = [](const std::function<void(Builder&)>& trace) {
    return [trace] {
      Builder b("m", {});
      trace(b);
    };
  };
  refuses(with([](Builder& b) {
            b.add(op::Linear{.in = 5, .out = 4}, {b.input({2, 3})});
          }),
          "does not end in 5 features");
  refuses(with([](Builder& b) {
            (void)b.matmul(b.input({2, 3}), b.input({4, 5}));
          }),
          "[matmul] shapes");
  refuses(with([](Builder& b) { (void)(b.input({2, 3}) + b.input({2, 4})); }), "do not broadcast");
  refuses(with([](Builder& b) {
            (void)b.concat({b.input({2, 3}), b.input({2})}, 0);
          }),
          "differ in rank");
  refuses(with([](Builder& b) {
            (void)b.concat({b.input({2, 3}), b.input({2, 4})}, 0);
          }),
          "differ beside axis");
  refuses(with([](Builder& b) { (void)b.reshape(b.input({2, 3}), {5}); }), "cannot become");
  refuses(with([](Builder& b) { (void)b.expand(b.input({2, 3}), {2, 5}); }), "cannot become");
  refuses(with([](Builder& b) { (void)b.slice(b.input({2, 3}), 1, 2, 2); }), "is outside axis 1");
  refuses(with([](Builder& b) {
            (void)conv2d(b, "c", b.input({2, 3, 8}), 4, {.kernel = {2, 2}, .stride = {2, 2}});
          }),
          "is not [batch,");
  refuses([] { (void)activation_kind("rely"); }, "unknown activation 'rely'");
}

TEST_CASE("names of optimizers and precisions are told when one is unknown") {
  refuses([] { (void)optimizer("adamx"); }, "unknown optimizer 'adamx'; did you mean 'adam");
  refuses([] { (void)precision("fp61"); }, "unknown precision 'fp61'");
}

TEST_CASE("timm's own config.json, as the hub has it, and what it must not be") {
  const auto read = [](const char* text) {
    return model_from_timm_config(json::parse(text), "config.json", "m");
  };
  const auto model = read(R"({"architecture": "vit_tiny_patch16_224", "num_classes": 10,
      "global_pool": "avg", "pretrained_cfg": {"input_size": [3, 384, 384]},
      "model_args": {"class_token": false}})");
  const auto graph = model.build();
  CHECK(graph.nodes[graph.inputs[0]].shape == Shape{1, 3, 384, 384});
  CHECK(graph.nodes[graph.outputs[0]].shape == Shape{1, 10});
  refuses([&] { (void)read(R"({"architecture": "vit_tiny_patch16_224", "pretrained_cfg": 1})"); },
          "/pretrained_cfg: expected an object, got number");
  refuses(
      [&] {
        (void)read(R"({"architecture": "vit_tiny_patch16_224",
                       "pretrained_cfg": {"input_size": 224}})");
      },
      "/pretrained_cfg/input_size: expected [channels, height, width], got 224");
  refuses(
      [&] {
        (void)read(R"({"architecture": "vit_tiny_patch16_224", "pretrained_cfg": {},
                       "model_args": [1]})");
      },
      "/model_args: expected an object, got array");
}

TEST_CASE("a calibration's numbers are checked where they stand") {
  const auto whole = json::parse(to_json(calibrations().front()).dump());
  CHECK(to_json(calibration_from(whole, "/0")).dump() == to_json(calibrations().front()).dump());
  const auto refused = [&](const char* key, const json& value, const std::string& words) {
    auto changed = whole;
    changed[key] = value;
    CAPTURE(key);
    refuses([&] { (void)calibration_from(changed, "/0"); }, words);
  };
  refused("mode", "fast", "/0/mode: must be \"training\" or \"inference\"");
  refused("run", 1, "/0/run: has the wrong type");
  refused("range", {2, 1}, "/0/range: must be two positive numbers, the lower one first");
  refused("rnage", {1, 2}, "/0/rnage: unknown key; did you mean 'range'?");
  refused("factors", json::object(), "/0/factors/");
}
