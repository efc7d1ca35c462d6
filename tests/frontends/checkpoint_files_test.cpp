// Checkpoints as people have them: single files, shards with and without their index, other
// formats; and what `vitals summary` says of them.
#include "frontends/checkpoint/checkpoint_files.h"

#include "frontends/spec/spec.h"
#include "support/json.h"
#include "support/refusal.h"
#include "support/run.h"
#include "support/safetensors_writer.h"
#include "support/temporary_folder.h"

#include <doctest/doctest.h>

using namespace vitals;
using nlohmann::json;
using test::run;
using test::safetensors;

namespace {

std::string refusal(const std::string& path) {
  return test::refusal([&] { return read_checkpoint(path); });
}

json index_of(const std::map<std::string, std::string>& shards) {
  return {{"metadata", {{"total_size", 24}}}, {"weight_map", shards}};
}

// A spec and the checkpoint that its trace describes.
const json kSpec = {{"architecture", "vit"}, {"img_size", 32}, {"patch_size", 16}, {"embed_dim", 8},
                    {"num_heads", 2},        {"depth", 2},     {"num_classes", 3}};

std::vector<test::NamedShape> weights() {
  return test::tensors_of(model_from_spec(kSpec, "test", "test").build());
}

}  // namespace

TEST_CASE("shards by their index, and without it by their names") {
  const test::TemporaryFolder folder;
  folder.write("model-00001-of-00002.safetensors", safetensors({{"a.w", {2}}, {"a.b", {1}}}));
  folder.write("model-00002-of-00002.safetensors", safetensors({{"b.w", {3}}}));
  auto names = [](const Checkpoint& c) {
    std::string all;
    for (const auto& t : c.tensors) all += t.name + "@" + std::to_string(t.file) + " ";
    return all;
  };
  CHECK(names(read_checkpoint(folder.path())) == "a.b@0 a.w@0 b.w@1 ");

  const auto path =
      folder.write("model.safetensors.index.json",
                   test::dumped(index_of({{"a.w", "model-00001-of-00002.safetensors"},
                                          {"a.b", "model-00001-of-00002.safetensors"},
                                          {"b.w", "model-00002-of-00002.safetensors"}})));
  CHECK(is_checkpoint(folder.path()));
  CHECK(is_checkpoint(path));
  CHECK(names(read_checkpoint(path)) == "a.b@0 a.w@0 b.w@1 ");
  CHECK(names(read_checkpoint(folder.path())) == "a.b@0 a.w@0 b.w@1 ");
  CHECK(read_checkpoint(path).remarks.empty());
  CHECK(test::parsed(run({"summary", path, "--format", "json"}).out)["totals"]["params"] == 6);

  std::filesystem::remove(folder.path("model-00002-of-00002.safetensors"));
  CHECK(test::says(refusal(path), "its shard model-00002-of-00002.safetensors is missing"));
  std::filesystem::remove(path);
  CHECK(test::says(refusal(folder.path()), "only 1 of the 2 shards of 'model' are there"));
  std::filesystem::rename(folder.path("model-00001-of-00002.safetensors"),
                          folder.path("model-00002-of-00002.safetensors"));
  CHECK(test::says(refusal(folder.path()), "shard 1 of 2 of 'model' is missing"));
}

TEST_CASE("an index that does not tell the truth is refused") {
  const test::TemporaryFolder folder;
  folder.write("x.safetensors", safetensors({{"a", {2}}}));
  folder.write("y.safetensors", safetensors({{"b", {2}}, {"c", {2}}}));
  auto index = [&](const json& text) {
    return folder.write("model.safetensors.index.json", test::dumped(text));
  };
  CHECK(test::says(refusal(index(index_of({{"a", "x.safetensors"}, {"z", "y.safetensors"}}))),
                   "the tensor 'z' is said to be in y.safetensors, which does not have it"));
  CHECK(test::says(refusal(index(index_of({{"a", "y.safetensors"}, {"b", "x.safetensors"}}))),
                   "the tensor 'a' is said to be in y.safetensors, but is in x.safetensors"));
  CHECK(test::says(refusal(index(index_of({{"a", "../x.safetensors"}}))),
                   "is no name of a file beside the index"));
  CHECK(test::says(refusal(index(index_of({{"a", "/etc/passwd"}}))),
                   "is no name of a file beside the index"));
  CHECK(
      test::says(refusal(index(index_of({{"a", ".."}}))), "is no name of a file beside the index"));
  CHECK(test::says(refusal(index({{"weight_map", {{"a", 1}}}})),
                   "/weight_map/a: expected the name of a file"));
  CHECK(test::says(refusal(index({{"weight_map", json::object()}})), "names no tensor"));
  CHECK(test::says(refusal(index(json::array())), "expected an index of shards"));
  CHECK(test::says(refusal(index(index_of({{"a", "pytorch_model-00001-of-00002.bin"}}))),
                   "is a PyTorch checkpoint"));

  const auto c = read_checkpoint(index(index_of({{"a", "x.safetensors"}, {"b", "y.safetensors"}})));
  REQUIRE(c.remarks.size() == 1);
  CHECK(test::says(c.remarks[0], "1 tensors of the shards are not in the index, e.g. 'c'"));
}

TEST_CASE("one tensor in two shards is refused") {
  const test::TemporaryFolder folder;
  folder.write("m-1-of-2.safetensors", safetensors({{"a", {2}}}));
  folder.write("m-2-of-2.safetensors", safetensors({{"a", {2}}}));
  CHECK(test::says(refusal(folder.path()), "the tensor 'a' stands twice: in "));
}

TEST_CASE("a folder of several checkpoints asks which one is meant") {
  const test::TemporaryFolder folder;
  folder.write("x.safetensors", safetensors({{"a", {2}}}));
  CHECK(read_checkpoint(folder.path()).tensors.size() == 1);
  folder.write("y.safetensors", safetensors({{"a", {2}}}));
  CHECK(test::says(refusal(folder.path()),
                   "holds several checkpoints (x.safetensors, y.safetensors); name one"));
  folder.write("model.safetensors", safetensors({{"a", {2}}, {"b", {1}}}));
  CHECK(read_checkpoint(folder.path()).tensors.size() == 2);
}

TEST_CASE("other formats are recognised by their bytes, whatever they are called") {
  using namespace std::string_literals;
  const std::pair<std::string, const char*> files[] = {
      {"PK\x03\x04"s + std::string(22, '\0') + "\x10\0\0\0"s + "archive/data.pkl"s,
       "a PyTorch checkpoint (zip"},
      {"PK\x03\x04"s + std::string(22, '\0') + "\x09\0\0\0"s + "arr_0.npy"s, "a NumPy archive"},
      {"PK\x03\x04"s + std::string(22, '\0') + "\x0d\0\0\0"s + "metadata.json"s, "a Keras archive"},
      {"\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19."s, "a PyTorch checkpoint (pickle)"},
      {"\x89HDF\r\n\x1a\n"s + std::string(16, '\0'), "an HDF5 file"},
      {"\x93NUMPY\x01\0"s + std::string(16, '\0'), "a NumPy array"},
      {"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 440449768\n"s,
       "a Git LFS pointer"},
      {"<!DOCTYPE html><html>"s, "a web page"},
      {"\x1f\x8b\x08"s, "a gzip file"},
      {std::string(257, '\0') + "ustar"s, "a tar archive"},
  };
  const test::TemporaryFolder folder;
  for (const auto& file : files) {
    const auto& bytes = file.first;
    const auto& what = file.second;
    CAPTURE(what);
    for (const std::string name : {"weights", "model.safetensors"}) {
      const auto path = folder.write(name, bytes);
      CHECK(is_checkpoint(path));
      CHECK(test::says(refusal(path), what));
    }
    const auto result = run({"summary", folder.path("weights")});
    CHECK(result.exit_code == 1);
    CHECK(result.out.empty());
    CHECK(test::says(result.err, "which vitals does not read; "));
  }
  // Where the bytes say nothing, the name does.
  CHECK(test::says(refusal(folder.write("model.onnx", "x")), "an ONNX model"));
  CHECK(test::says(refusal(folder.write("flax_model.msgpack", "x")), "a Flax checkpoint"));
  CHECK(test::says(refusal(folder.write("pytorch_model.bin", "x")), "a PyTorch checkpoint"));
}

TEST_CASE(
    "a safetensors file is known by its bytes, and no header length passes for another format") {
  const test::TemporaryFolder folder;
  CHECK(read_checkpoint(folder.write("weights", safetensors({{"a", {2}}}))).tensors.size() == 1);
  // A header of 0x0280 bytes begins like a pickle.
  std::string header = R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
  header += std::string(0x0280 - header.size(), ' ');
  CHECK(read_checkpoint(folder.write("b.safetensors", safetensors(header, "x"))).tensors.size() ==
        1);
  CHECK_FALSE(is_checkpoint(folder.write("spec.json", test::dumped(kSpec))));
  CHECK_FALSE(is_checkpoint(folder.path("absent.safetensors")));
}

TEST_CASE("parameters and bytes of a checkpoint alone, at every level of its tree") {
  const test::TemporaryFolder folder;
  const auto path =
      folder.write("model.safetensors", safetensors({{"h.0.w", {4, 2}, "F16", 2},
                                                     {"h.1.w", {4, 2}, "F16", 2},
                                                     {"h.10.w", {4, 2}, "F16", 2},
                                                     {"h.2.w", {4, 2}, "F32", 4},
                                                     {"ids", {5}, "I64", 8},
                                                     {"out.b", {3}, "BF16", 2}},
                                                    R"({"format":"pt","lm_head.w":"h.0.w"})"));
  const auto summary = test::parsed(run({"summary", path, "--format", "json"}).out);
  CHECK(summary["model"] == "model.safetensors");
  CHECK(summary["totals"]["params"] == 35);
  CHECK(summary["totals"]["elements"] == 40);
  CHECK(summary["totals"]["bytes"] == 3 * 16 + 32 + 40 + 6);
  CHECK(summary["totals"]["header_bytes"].get<std::uint64_t>() +
            summary["totals"]["bytes"].get<std::uint64_t>() ==
        std::filesystem::file_size(path));
  CHECK(summary["dtypes"]["F16"]["bytes"] == 48);
  CHECK(summary["params_by_child"] == json({{"h", 32}, {"out", 3}}));
  CHECK(summary["shared"] == json({{"lm_head.w", "h.0.w"}}));
  CHECK(summary["check"].is_null());
  std::uint64_t params = 0;
  std::uint64_t bytes = 0;
  for (const auto& layer : summary["layers"]) {
    params += layer["params"].get<std::uint64_t>();
    bytes += layer["bytes"].get<std::uint64_t>();
  }
  CHECK(params == 35);
  CHECK(bytes == summary["totals"]["bytes"]);

  // Blocks fold where they are stored alike: 0 and 1 are, 2 is not; 10 comes after 2.
  const auto tree = run({"summary", path}).out;
  CHECK(test::says(tree, "0-1 (2x)"));
  CHECK(tree.find("    2 ") < tree.find("    10 "));
  CHECK(test::says(tree, "lm_head.w is shared: stored as h.0.w"));
  CHECK(test::says(run({"summary", path, "--format", "csv"}).out, "h.0.w,F16,\"[4, 2]\",8,16,"));
}

TEST_CASE("flops and specs need more than tensors") {
  const test::TemporaryFolder folder;
  const auto path = folder.write("m.safetensors", safetensors(weights()));
  const auto result = run({"spec", path});
  CHECK(result.exit_code == 1);
  CHECK(result.out.empty());
  CHECK(test::says(result.err, "put the model's config.json beside it"));
  CHECK(test::says(run({"summary", path, "--img-size", "64"}).err, "has no config.json beside it"));
  folder.write("config.json", test::dumped(kSpec));
  CHECK(test::parsed(run({"spec", path}).out)["embed_dim"] == 8);
}

TEST_CASE("with a config beside it every tensor is checked") {
  const test::TemporaryFolder folder;
  folder.write("config.json", test::dumped(kSpec));
  const auto path = folder.write("model.safetensors", safetensors(weights()));
  auto result = run({"summary", path, "--format", "json"});
  CHECK(result.exit_code == 0);
  auto check = test::parsed(result.out)["check"];
  CHECK(check["fits"] == true);
  CHECK(check["matched"] == weights().size());
  CHECK(run({"summary", folder.path(), "--format", "json"}).exit_code == 0);

  auto others = weights();
  std::erase_if(others, [](const auto& t) { return t.name == "cls_token"; });
  for (auto& t : others) {
    if (t.name == "head.bias") t.name = "classifier.bias";
    if (t.name == "pos_embed") t.shape = {1, 4, 8};
  }
  folder.write("model.safetensors", safetensors(others));
  for (const auto& argument : {path, folder.path()}) {
    result = run({"summary", argument});
    CHECK(result.exit_code == 1);
    CHECK(result.out.empty());
    CHECK(test::says(result.err, "missing (2):\n    cls_token [1, 1, 8]\n    head.bias [3]\n"));
    CHECK(test::says(result.err, "unexpected (1):\n    classifier.bias [3]\n"));
    CHECK(test::says(result.err, "pos_embed is [1, 4, 8], expected [1, 5, 8]"));
  }
  // The weights of any model, wherever they are.
  const auto spec = folder.write("spec.json", test::dumped(kSpec));
  CHECK(run({"summary", spec, "--weights", path}).exit_code == 1);
  folder.write("model.safetensors", safetensors(weights()));
  CHECK(run({"summary", spec, "--weights", path}).exit_code == 0);
  CHECK(run({"summary", spec, "--weights", path, "--num-classes", "4"}).exit_code == 1);

  // A config that means nothing to vitals does not hide what is in the file.
  folder.write("config.json", R"({"architecture": "no_such_thing"})");
  result = run({"summary", path});
  CHECK(result.exit_code == 0);
  CHECK(test::says(result.err, "the tensors are not compared with a model: "));
  CHECK(test::says(result.err, "unknown architecture 'no_such_thing'"));
}
