// What a description, a trace or a data file that cannot be is answered with: the messages that no
// other test happens to reach.
#include "conventions/conventions.h"
#include "cost/rollup.h"
#include "frontends/devices/calibration.h"
#include "frontends/devices/device_file.h"
#include "frontends/hf/config.h"
#include "frontends/spec/builtin.h"
#include "frontends/spec/json_text.h"
#include "frontends/spec/spec.h"
#include "frontends/spec/timm_config.h"
#include "graph/builder.h"
#include "latency/execution.h"
#include "memory/batch_search.h"
#include "memory/optimizer.h"
#include "memory/precision.h"
#include "memory/quantized/quantization.h"
#include "memory/tensor_parallel.h"
#include "models/layers/activation_names.h"
#include "models/layers/layers.h"
#include "support/json.h"
#include "support/refusal.h"
#include "support/temporary_folder.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <string>

using namespace vitals;
using nlohmann::json;

namespace {

void refuses(const std::function<void()>& act, const std::string& words) {
  const auto message = test::refusal(act);
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
      {R"({"architecture": "encoder_decoder", "naming": "bart", "source_len": 5000,
           "encoder_positions": "learned", "max_source_positions": 1024})",
       "/source_len: 5000 tokens are more than the 1024 positions of the table"},
      {R"({"architecture": "image_tower", "head": "projection", "pooling": "none"})",
       "/pooling: a projection needs one vector"},
      {R"({"architecture": "image_tower", "class_token": false, "pooling": "class"})",
       "/class_token: there is none that could be pooled"},
      {R"({"architecture": "decoder", "num_hidden_layers": 1,
           "layer_types": ["sliding_attention"]})",
       "/sliding_window: null, but layer_types has layers that need it"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.spec);
    refuses([&] { (void)model_from_spec(test::parsed(c.spec), "s.json", "s"); }, c.words);
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
  refuses(
      [&] {
        const json spec = {{"architecture", "encoder_decoder"}, {"head", "encoder"}};
        (void)model_from_spec(spec, "s.json", "s").build(later);
      },
      "an encoder reads a text at once");
  refuses(
      [&] {
        const json spec = {{"architecture", "dual_encoder"}};
        (void)model_from_spec(spec, "s.json", "s").build(longer);
      },
      "learned positions; a smaller --seq-len fits");
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
  refuses(with([](Builder& b) {
            b.add(op::ExpertLinear{.experts = 8, .active = 2, .in = 5, .out = 4},
                  {b.input({3, 6}), b.input({3, 2})});
          }),
          "do not fit 2 of 8 experts of 5 features");
  refuses(with([](Builder& b) {
            b.add(op::TopK{.k = 9}, {b.input({2, 3})});
          }),
          "[topk] 9 of [2, 3] cannot be chosen");
  refuses(with([](Builder& b) {
            b.add(op::MaskedFill{}, {b.input({2, 3}), b.input({4, 3})});
          }),
          "[masked_fill] the mask [4, 3] does not fit [2, 3]");
  refuses(
      with([](Builder& b) {
        b.add(op::Sdpa{}, {b.input({1, 2, 3, 4}), b.input({1, 2, 3, 5}), b.input({1, 2, 3, 5})});
      }),
      "[scaled_dot_product_attention] shapes");
  refuses(with([](Builder& b) {
            b.add(op::GlobalResponseNorm{}, {b.input({2, 3})});
          }),
          "is not [batch, ..., channels]");
  refuses([] { (void)activation_kind("rely"); }, "unknown activation 'rely'");
}

// Each part fits into 64 bits, their sum does not: the module that it belongs to is named.
TEST_CASE("sums that do not fit into 64 bits name their module") {
  // The scores and their product with the values: 2 x 768 x (1.2e8)^2 > 2^64.
  const json gpt2 = {{"base", "gpt2"}, {"max_position_embeddings", 200'000'000}};
  BuildOptions long_text;
  long_text.seq_len = 120'000'000;
  const auto wide = model_from_spec(gpt2, "s.json", "s").build(long_text);
  refuses([&] { (void)macs_by_module(wide); }, "h.0.attn: ");
  refuses([&] { (void)roll_up(*find_convention("macs"), wide); }, "h.0.attn: ");
  // Blocks of 1.6e19 MACs.
  const json mixer = {
      {"base", "mixer_s16_224"}, {"embed_dim", 16'000'000}, {"img_size", 1408}, {"num_blocks", 2}};
  const auto deep = model_from_spec(mixer, "s.json", "s").build();
  refuses([&] { (void)macs_by_module(deep); }, "blocks: ");
  Builder b("m", {});
  refuses(
      [&] {
        (void)b.param("table", {std::uint64_t{1} << 32U, std::uint64_t{1} << 31U});
      },
      "table: a count does not fit into 64 bits");
}

TEST_CASE("cuts over devices, batches and formats that there are not") {
  const auto tensor_parallel = [](const Graph& graph, std::uint64_t ranks) {
    return [&graph, ranks] { (void)plan_tensor_parallel(graph, ranks, false); };
  };
  const auto mixer = builtin_model("mixer_b16_224", "").build();
  refuses(tensor_parallel(mixer, 7), "--tp 7 does not divide the");
  Builder b("m", {});
  const auto alone = b.finish({linear(b, "head", b.input({1, 8}), 4, Role::classifier)});
  refuses(tensor_parallel(alone, 2), "--tp 2: the model has no pair of layers that could be cut");
  const auto tiny = builtin_model("vit_tiny_patch16_224", "");
  MemoryOptions inference;
  inference.training = false;
  inference.precision = precision("fp32");
  inference.optimizer = optimizer("none");
  const FitQuestion endless{[&](const BuildOptions& o) { return tiny.build(o); },
                            {},
                            inference,
                            Count(std::uint64_t{1} << 62U)};
  refuses([&] { (void)largest_batch(endless); }, "samples fit, and no larger batch is tried");
  refuses([] { (void)block_format("Q9_Z"); }, "unknown block format 'Q9_Z'");
  latency::Way way;
  way.precision = "fp12";
  refuses([&] { (void)latency::execution(way, MachineKind::gpu, {}, "vit"); },
          "unknown precision 'fp12'");
  DeviceSpec host;
  host.name = "x";
  refuses([&] { (void)memory_budget(host); }, "'x' states no memory of its own");
}

TEST_CASE("a device's numbers and a config's parts must be what they are called") {
  const test::TemporaryFolder folder;
  const auto device = [&](const std::string& fields) {
    return [&folder, fields] {
      (void)devices_in(folder.write(
          "d.json",
          R"([{"name": "x", "title": "X", "kind": "gpu", "source": "s", )" + fields + "}]"));
    };
  };
  refuses(device(R"("bandwidth_gb_s": -5, "peak_tflops": {"fp32": 1})"),
          "/bandwidth_gb_s: must be a positive number");
  refuses(device(R"("bandwidth_gb_s": 5, "peak_tflops": 7)"), "/peak_tflops: must be an object");
  const auto swin = builtin_model("swin_tiny_patch4_window7_224", "");
  refuses(
      [&] {
        (void)with_overrides(swin, {{"depths.x", "1", "--set"}});
      },
      "has no inner field 'x'");
  refuses(
      [] {
        const json config = {{"model_type", "gemma3"}, {"text_config", {{"model_type", "gemma9"}}}};
        (void)model_from_hf_config(config, "config.json", "m", nullptr);
      },
      "/text_config/model_type: unknown model_type 'gemma9'; did you mean 'gemma'");
  refuses([] { (void)parse_json(R"({"a": 1e999})", "s.json"); },
          "s.json:1:11: not JSON: number overflow parsing '1e999'");
}

TEST_CASE("names of optimizers and precisions are told when one is unknown") {
  refuses([] { (void)optimizer("adamx"); }, "unknown optimizer 'adamx'; did you mean 'adam");
  refuses([] { (void)precision("fp61"); }, "unknown precision 'fp61'");
}

TEST_CASE("timm's own config.json, as the hub has it, and what it must not be") {
  const auto read = [](const char* text) {
    return model_from_timm_config(test::parsed(text), "config.json", "m");
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
  const auto whole = test::parsed(test::dumped(to_json(calibrations().front())));
  CHECK(test::dumped(to_json(calibration_from(whole, "/0"))) ==
        test::dumped(to_json(calibrations().front())));
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

TEST_CASE("a fault of a spec is told where the user wrote it, with what would be right") {
  struct Case {
    const char* spec;
    const char* words;
  };
  const Case cases[] = {
      {R"({"architecture": "vit_base_patch16_224"})",
       "/architecture: 'vit_base_patch16_224' is a built-in model; to start from it, write "
       "\"base\""},
      {R"({"architecture": "swin_transformer", "depths": 2})",
       "/depths: 1 stage, but num_heads has 4 values"},
      {R"({"architecture": "swin_transformer", "depths": [2, 2], "num_heads": [3, 6, 9]})",
       "/num_heads: 3 values for 2 stages"},
      {R"({"architecture": "decoder", "layer_types": ["full_attention", "foo"]})",
       "s.json: /layer_types/1: unknown value 'foo'"},
      {R"({"architecture": "vit", "img_size": [224, -1]})", "s.json: /img_size/1: -1 is too small"},
      {R"({"architecture": "vit", "mlp_ratio": 0})", "/mlp_ratio: 0 is too small; above 0"},
      {R"({"architecture": "vit", "mlp_ratio": -1})", "/mlp_ratio: -1 is too small; above 0"},
      {R"({"architecture": "vit", "embed_dim": 192, "num_heads": 7})",
       "/embed_dim: 192 is not divisible by num_heads 7; 6 or 8 heads divide it"},
      {R"({"architecture": "decoder", "hidden_size": 64, "num_attention_heads": 48})",
       "/hidden_size: 64 is not divisible by num_attention_heads 48; 32 or 64 heads divide it"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.spec);
    refuses([&] { (void)model_from_spec(test::parsed(c.spec), "s.json", "s"); }, c.words);
  }
}

TEST_CASE("an option that nothing would use is refused") {
  struct Case {
    const char* spec;
    const char* words;
  };
  const Case cases[] = {
      {R"({"architecture": "decoder", "norm_layer": {"kind": "LayerNorm", "gate_last": true}})",
       "/norm_layer: unknown option 'gate_last' of \"LayerNorm\""},
      {R"({"architecture": "vit", "norm_layer": {"kind": "LayerNorm", "act_layer": "nonsense"}})",
       "/norm_layer: unknown option 'act_layer' of \"LayerNorm\""},
      {R"({"architecture": "vit", "mlp_layer": {"kind": "SwiGLU", "gate_last": true}})",
       "/mlp_layer: unknown option 'gate_last' of \"SwiGLU\""},
      {R"({"architecture": "vit", "mlp_layer": {"kind": "GluMlp", "act_layer": 3}})",
       "/mlp_layer: expected a string, got 3"},
      {R"({"architecture": "mlp_mixer", "norm_layer": {"kind": "affine", "eps": 1}})",
       "/norm_layer: unknown option 'eps' of \"Affine\""},
      {R"({"architecture": "decoder", "norm_layer": "RmsNorm", "norm_bias": false,
           "qk_norm_bias": true})",
       "/qk_norm_bias: an RmsNorm has no bias"},
      {R"({"architecture": "decoder", "qk_norm": "l2", "position_embedding": "alibi"})",
       "/qk_norm: 'l2' stands behind rotary positions"},
      {R"({"architecture": "decoder", "kv_lora_rank": 64, "head_dim": 32})",
       "/head_dim: latent attention (kv_lora_rank) has qk_nope_head_dim"},
      {R"({"architecture": "decoder", "joint_dropout": true})",
       "/joint_dropout: only a parallel layer"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.spec);
    refuses([&] { (void)model_from_spec(test::parsed(c.spec), "s.json", "s"); }, c.words);
  }
  // Latent attention's heads need not divide the width.
  const json latent = {
      {"architecture", "decoder"}, {"kv_lora_rank", 64}, {"num_attention_heads", 7}};
  CHECK(model_from_spec(latent, "s.json", "s").build({.seq_len = 4}).params.size() > 0);
  // An alias with a dot is no alias.
  refuses(
      [] {
        (void)with_overrides(builtin_model("vit_base_patch16_224", ""),
                             {{"drop_ratio.foo", "0.3", "--set drop_ratio.foo=0.3"}});
      },
      "--set drop_ratio.foo=0.3: has no inner field 'foo'");
}

TEST_CASE("files that are no JSON are told for what they are") {
  refuses([] { (void)parse_json(R"({"a": [1, {"b": 1, "b": 2}]})", "s.json"); },
          "s.json: /a/1/b: the key stands twice in one object");
  refuses([] { (void)parse_json("", "devices.json", "a JSON array of devices"); },
          "devices.json: empty; expected a JSON array of devices");
  using namespace std::string_view_literals;
  refuses(
      [] { (void)parse_json("\x40\0\0\0\0\0\0\0{\"a\": "sv, "w.json"); },
      "w.json: not JSON, but binary data, which begins like a safetensors file that is cut off");
  refuses([] { (void)parse_json("\x7f\0\1\2"sv, "w"); },
          "w: not JSON, but binary data (byte 1 is zero); expected");
}

TEST_CASE("what follows a zero byte is not lost, and places are told") {
  using namespace std::string_view_literals;
  refuses([] { (void)parse_json("{\"a\": 1}\0garbage"sv, "s.json"); },
          "s.json: not JSON, but binary data (byte 8 is zero)");
  refuses([] { (void)parse_json("{\n \"a\": -1e999}"sv, "s.json"); }, "s.json:2:12: not JSON: ");
  refuses([] { (void)parse_json("{\"a\": 1,\n \"a\": 2}"sv, "s.json"); },
          "s.json: /a: the key stands twice in one object (line 2, column 4)");
}

// json.dump writes these; configs of state space models have them.
TEST_CASE("Python's Infinity and NaN are read, and refused where a field needs a number") {
  const auto value = parse_json(
      R"({"limit": [0.0, Infinity], "low": -Infinity, "none": NaN, "text": "NaN \" Infinity"})",
      "s.json");
  CHECK(std::isinf(value["limit"][1].get<double>()));
  CHECK(value["limit"][0] == 0.0);
  CHECK(value["low"].get<double>() < -1e308);
  CHECK(std::isnan(value["none"].get<double>()));
  CHECK(value["text"] == "NaN \" Infinity");
  CHECK(std::isinf(parse_json("Infinity", "s.json").get<double>()));
  refuses([] { (void)parse_json("[xNaN]", "s.json"); }, "s.json:1:2: not JSON");
  refuses(
      [] {
        (void)model_from_spec(parse_json(R"({"architecture": "vit", "mlp_ratio": Infinity})", "s"),
                              "s.json", "s");
      },
      "s.json: /mlp_ratio: expected a finite number, got Infinity");
}

// nlohmann's parser callback looks through all of an object's members whenever one of them ends.
TEST_CASE("reading a text takes work in proportion to its length") {
  std::string text = "{";
  for (int i = 0; i < 40'000; ++i)
    text += fmt::format("{}\"k{}\": {{\"a\": [1]}}", i > 0 ? "," : "", i);
  CHECK(parse_json(text + "}", "s.json").size() == 40'000);
}
