// The habits of checkpoints that fit() knows, each on a small trace.
#include "frontends/checkpoint/match.h"
#include "frontends/checkpoint/safetensors.h"
#include "graph/builder.h"
#include "models/layers/layers.h"
#include "support/safetensors_writer.h"
#include "support/temporary_folder.h"

#include <doctest/doctest.h>

using namespace vitals;

namespace {

// Embeddings, one joint projection, a buffer, and a head that is tied to the embeddings.
Graph trace(bool with_head = true) {
  Builder b("test", {});
  const auto ids = b.input({1, 4}, DType::i64);
  ParamId table = kNone;
  auto x = b.call("base", "Base", {ids}, [&] {
    auto y = b.call("embed", "Embedding", {ids}, [&] {
      table = b.param("weight", {10, 8});
      return b.add(op::Embedding{10, 8}, {ids}, table);
    });
    b.param("position_ids", {1, 4}, true);
    y = norm(b, "LayerNorm", y, LayerSpec{"LayerNorm", {}, {}, {}, {}});
    return b.call("0", "Block", {y}, [&] { return linear(b, "qkv", y, 24, Role::qkv); });
  });
  if (with_head)
    x = b.call("head", "Linear", {x}, [&] { return b.linear(b.slice(x, -1, 0, 8), 10, table); });
  return b.finish({x});
}

Checkpoint checkpoint(const std::vector<test::NamedShape>& tensors) {
  const test::TemporaryFolder folder;
  return read_safetensors(folder.write("x.safetensors", test::safetensors(tensors)));
}

const std::vector<test::NamedShape> kStored = {{"base.embed.weight", {10, 8}},
                                               {"base.LayerNorm.weight", {8}},
                                               {"base.LayerNorm.bias", {8}},
                                               {"base.0.qkv.weight", {24, 8}},
                                               {"base.0.qkv.bias", {24}}};

std::vector<test::NamedShape> without_prefix(std::vector<test::NamedShape> tensors) {
  for (auto& t : tensors) t.name = t.name.substr(t.name.find('.') + 1);
  return tensors;
}

}  // namespace

TEST_CASE("a tied head and a buffer need not be stored") {
  const auto c = checkpoint(kStored);
  const auto result = fit(trace(), c);
  CHECK(result.fits());
  CHECK(result.matched == 5);
  CHECK(result.parts.size() == 6);
}

TEST_CASE("a copy of a tied weight may be stored, beside it or in its place") {
  auto stored = kStored;
  stored.push_back({"head.weight", {10, 8}});
  CHECK(fit(trace(), checkpoint(stored)).fits());
  stored.erase(stored.begin());
  const auto c = checkpoint(stored);
  const auto result = fit(trace(), c);
  CHECK(result.fits());
  CHECK(result.parts[0].at(0)->name == "head.weight");
  stored.back().shape = {11, 8};
  CHECK(fit(trace(), checkpoint(stored)).mismatched.size() == 1);
}

TEST_CASE("a prefix that the checkpoint lacks, or has too much, is found") {
  const auto lacking = checkpoint(without_prefix(kStored));
  auto result = fit(trace(), lacking);
  CHECK(result.fits());
  CHECK(result.added_prefix == "base.");
  auto more = kStored;
  for (auto& t : more) t.name = "module." + t.name;
  const auto wrapped = checkpoint(more);
  result = fit(trace(), wrapped);
  CHECK(result.fits());
  CHECK(result.dropped_prefix == "module.");
}

TEST_CASE("the names of a part that is missing are those that the checkpoint would have") {
  auto stored = without_prefix(kStored);
  stored.pop_back();
  const auto c = checkpoint(stored);
  const auto result = fit(trace(), c);
  REQUIRE(result.missing.size() == 1);
  CHECK(result.missing[0].name == "0.qkv.bias");
}

TEST_CASE("TensorFlow's gamma and beta are a LayerNorm's weight and bias") {
  auto stored = kStored;
  stored[1].name = "base.LayerNorm.gamma";
  stored[2].name = "base.LayerNorm.beta";
  CHECK(fit(trace(), checkpoint(stored)).fits());
}

TEST_CASE("a table of names splits joint projections") {
  const CheckpointKeys keys{
      {{"*.*.qkv.*", {"model.layer.*.q.*", "model.layer.*.k.*", "model.layer.*.v.*"}}},
      {"pooler.*.*"}};
  // The stars are filled in order: base, 0, weight.
  const CheckpointKeys named{{{"base.*.qkv.*", {"layer.*.q.*", "layer.*.k.*", "layer.*.v.*"}}},
                             {"pooler.*.*"}};
  auto stored = kStored;
  stored.resize(3);
  for (const std::string part : {"q", "k", "v"}) {
    stored.push_back({"layer.0." + part + ".weight", {8, 8}});
    stored.push_back({"layer.0." + part + ".bias", {8}});
  }
  stored.push_back({"pooler.dense.weight", {8, 8}});
  const auto c = checkpoint(stored);
  const auto result = fit(trace(), c, named);
  CHECK(result.fits());
  CHECK(result.matched == 9);
  CHECK(result.left_out.size() == 1);
  CHECK(result.parts[4].size() == 3);
  CHECK(result.parts[4][1]->name == "layer.0.k.weight");
  CHECK_FALSE(fit(trace(), c, keys).fits());
}

TEST_CASE("what is no weight is left out: indices, masks, tables of rotary positions") {
  auto stored = kStored;
  stored.push_back({"base.position_ids", {1, 4}, "I64", 8});
  stored.push_back({"base.0.attn.bias", {1, 1, 4, 4}});
  stored.push_back({"base.0.rotary.inv_freq", {4}});
  stored.push_back({"counter", {}, "I64", 8});
  const auto c = checkpoint(stored);
  auto result = fit(trace(), c);
  CHECK(result.fits());
  CHECK(result.left_out.size() == 3);  // position_ids is a buffer of the model
  stored.push_back({"base.1.attn.bias", {4}});
  CHECK(fit(trace(), checkpoint(stored)).unexpected.size() == 1);
}
