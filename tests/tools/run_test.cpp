// `vitals run` as scripts see it: files in, files out, and what is refused.
#include "support/run.h"

#include "frontends/checkpoint/checkpoint_files.h"
#include "frontends/checkpoint/safetensors_write.h"
#include "support/safetensors_writer.h"
#include "support/temporary_folder.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <utility>

using namespace vitals;
using test::run;
using test::TemporaryFolder;

namespace {

std::string parity(const std::string& end) {
  return test::data_path("parity/tiny_distilled" + end);
}

std::vector<std::string> command(const std::string& input, const std::string& out,
                                 std::vector<std::string> more = {}) {
  std::vector<std::string> arguments = {
      "run",     parity(".json"), "--weights", parity(".weights.safetensors"),
      "--input", input,           "-o",        out};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

std::string image(const std::string& name, const std::vector<std::uint64_t>& shape, float value) {
  std::uint64_t count = 1;
  std::string dims;
  for (auto d : shape) {
    count *= d;
    dims += (dims.empty() ? "" : ",") + std::to_string(d);
  }
  std::string data(count * 4, '\0');
  for (std::uint64_t i = 0; i < count; ++i) std::memcpy(&data[4 * i], &value, 4);
  return test::safetensors(R"({")" + name + R"(":{"dtype":"F32","shape":[)" + dims +
                               R"(],"data_offsets":[0,)" + std::to_string(data.size()) + "]}}",
                           data);
}

std::vector<float> values(const std::string& file, const std::string& name) {
  const auto checkpoint = read_checkpoint(file);
  const auto* tensor = checkpoint.find(name);
  REQUIRE(tensor != nullptr);
  REQUIRE(tensor->bytes() == tensor->elements() * 4);
  std::vector<float> result(tensor->elements().value());
  TensorReader(checkpoint).read(*tensor, std::as_writable_bytes(std::span(result)));
  return result;
}

// The names of Hugging Face's ViT for timm's (modeling_vit.py); qkv is three tensors there.
std::string hugging_face_name(std::string name) {
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"cls_token", "vit.embeddings.cls_token"},
      {"pos_embed", "vit.embeddings.position_embeddings"},
      {"patch_embed.proj", "vit.embeddings.patch_embeddings.projection"},
      {"blocks.", "vit.encoder.layer."},
      {".norm1", ".layernorm_before"},
      {".norm2", ".layernorm_after"},
      {".attn.proj", ".attention.output.dense"},
      {".mlp.fc1", ".intermediate.dense"},
      {".mlp.fc2", ".output.dense"},
      {"norm.", "vit.layernorm."},
      {"head.", "classifier."}};
  for (const auto& [timm, theirs] : kNames)
    if (const auto at = name.find(timm); at == 0 || (at != std::string::npos && timm[0] == '.'))
      name.replace(at, timm.size(), theirs);
  return name;
}

// The same weights under those names.
std::string as_hugging_face(const std::string& file) {
  struct Tensor {
    std::string name;
    Shape shape;
    std::vector<float> values;
  };
  std::vector<Tensor> tensors;
  for (const auto& t : read_checkpoint(file).tensors) {
    const auto all = values(file, t.name);
    Shape shape;
    for (const auto d : t.shape) shape.push_back(d);
    const auto qkv = t.name.find("attn.qkv");
    const std::size_t parts = qkv == std::string::npos ? 1 : 3;
    if (parts == 3) shape[0] /= 3;
    for (std::size_t i = 0; i < parts; ++i) {
      constexpr const char* kParts[] = {"query", "key", "value"};
      auto name = hugging_face_name(t.name);
      if (parts == 3)
        name.replace(name.find("attn.qkv"), 8, std::string("attention.attention.") + kParts[i]);
      const auto size = static_cast<std::ptrdiff_t>(all.size() / parts);
      const auto begin = all.begin() + static_cast<std::ptrdiff_t>(i) * size;
      tensors.push_back({name, shape, {begin, begin + size}});
    }
  }
  std::vector<TensorToWrite> views;
  for (const auto& t : tensors) views.push_back({t.name, t.shape, t.values});
  return safetensors_of(views);
}

}  // namespace

TEST_CASE("run: a Hugging Face config with weights under its names gives the same logits") {
  const TemporaryFolder folder;
  const std::string timm = test::data_path("parity/tiny_inc1_noqkvbias_mlp3");
  folder.write("config.json",
               R"({"model_type": "vit", "architectures": ["ViTForImageClassification"],
      "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 192,
      "image_size": 32, "patch_size": 8, "num_channels": 1, "qkv_bias": false,
      "layer_norm_eps": 1e-6, "num_labels": 10})");
  const auto weights =
      folder.write("model.safetensors", as_hugging_face(timm + ".weights.safetensors"));
  const auto out = folder.path("logits.safetensors");
  const auto result = run({"run", folder.path("config.json"), "--weights", weights, "--input",
                           timm + ".ref_f32.safetensors", "-o", out});
  CAPTURE(result.err);
  REQUIRE(result.exit_code == 0);
  const auto logits = values(out, "logits");
  const auto wanted = values(timm + ".ref_f32.safetensors", "logits");
  REQUIRE(logits.size() == wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) CHECK(std::fabs(logits[i] - wanted[i]) < 1e-5F);
}

TEST_CASE("run: the output may replace that of an earlier run beside the weights") {
  const TemporaryFolder folder;
  std::filesystem::copy_file(parity(".weights.safetensors"), folder.path("w.safetensors"));
  std::filesystem::copy_file(parity(".ref_f32.safetensors"), folder.path("in.safetensors"));
  std::filesystem::copy_file(parity(".json"), folder.path("my.json"));
  const std::vector<std::string> words = {
      "run",     folder.path("my.json"),        "--weights", folder.path("w.safetensors"),
      "--input", folder.path("in.safetensors"), "-o",        folder.path("out.safetensors")};
  for (int i = 0; i < 2; ++i) {
    const auto result = run(words);
    CAPTURE(result.err);
    CHECK(result.exit_code == 0);
  }
  CHECK(read_checkpoint(folder.path("out.safetensors")).find("logits") != nullptr);
}

TEST_CASE("run: outputs that are not finite are refused, unless they are asked for") {
  const TemporaryFolder folder;
  const auto input = parity(".ref_f32.safetensors");
  auto image = values(input, "input");
  for (auto& v : image) v = 3e38F;
  const auto file = read_checkpoint(input);
  Shape shape;
  for (const auto d : file.find("input")->shape) shape.push_back(d);
  const std::vector<TensorToWrite> tensors = {{"input", shape, image}};
  const auto huge = folder.write("huge.safetensors", safetensors_of(tensors));
  const auto out = folder.path("out.safetensors");
  const auto refused = run(command(huge, out));
  CHECK(refused.exit_code == 1);
  CHECK(test::says(refused.err, "the output 'logits' is no result: element [0, 0] is "));
  CHECK(test::says(refused.err, "--allow-nonfinite"));
  CHECK_FALSE(std::filesystem::exists(out));
  CHECK(run(command(huge, out, {"--allow-nonfinite"})).exit_code == 0);
  CHECK(std::filesystem::exists(out));
}

TEST_CASE("run: logits alone, or every module by its path") {
  const TemporaryFolder folder;
  const auto input = parity(".ref_f32.safetensors");
  const auto alone = run(command(input, folder.path("logits.safetensors")));
  CAPTURE(alone.err);
  REQUIRE(alone.exit_code == 0);
  CHECK(alone.out.empty());
  const auto logits = read_checkpoint(folder.path("logits.safetensors"));
  REQUIRE(logits.tensors.size() == 1);
  CHECK(logits.tensors[0].name == "logits");
  CHECK(logits.tensors[0].shape == std::vector<std::uint64_t>{2, 10});
  REQUIRE(run(command(input, folder.path("all.safetensors"), {"--all"})).exit_code == 0);
  const auto all = read_checkpoint(folder.path("all.safetensors"));
  for (const auto& tensor : read_checkpoint(input).tensors) {
    CAPTURE(tensor.name);
    if (tensor.name == "input") continue;
    REQUIRE(all.find(tensor.name) != nullptr);
    CHECK(all.find(tensor.name)->shape == tensor.shape);
  }
}

TEST_CASE("run: what is refused, in words, without a file left behind") {
  const TemporaryFolder folder;
  const auto out = folder.path("out.safetensors");
  const auto refused = [&](const std::vector<std::string>& arguments, int code,
                           const std::string& words) {
    const auto result = run(arguments);
    CAPTURE(result.err);
    CHECK(result.exit_code == code);
    CHECK(result.out.empty());
    CHECK(result.err.find(words) != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(out));
  };
  const auto with = [&](const std::string& bytes) {
    return command(folder.write("in.safetensors", bytes), out);
  };
  refused(with(image("input", {1, 3, 48, 48}, 0)), 1, "--img-size 48x48");
  refused(with(image("input", {1, 1, 32, 32}, 0)), 1, "--in-chans 1");
  refused(with(image("input", {3, 32, 32}, 0)), 1, "[batch, channels, height, width]");
  refused(with(image("x", {1, 3, 32, 32}, 0)), 1, "no tensor 'input'");
  refused(with(image("input", {1, 3, 32, 32}, std::numeric_limits<float>::quiet_NaN())), 1,
          "element [0, 0, 0, 0] is nan");
  refused(with("no safetensors"), 1, "in.safetensors");
  refused(command(folder.path("missing.safetensors"), out), 1, "missing.safetensors");
  const auto good = folder.write("good.safetensors", image("input", {1, 3, 32, 32}, 0.5F));
  refused(command(good, out, {"--set", "depth=3"}), 1, "blocks.2.norm1.weight");
  refused(command(good, out, {"--num-classes", "7"}), 1, "head.weight");
  refused(command(good, out, {"--img-size", "64"}), 1, "--img-size 32");
  refused(command(good, out, {"--precision", "fp8"}), 2, "--precision");
  refused({"run", parity(".json"), "--weights", "w.safetensors"}, 2, "--input");
}
