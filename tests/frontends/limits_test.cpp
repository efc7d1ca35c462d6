// What is refused because it is too much, and that its neighbour is not: docs/spec.md lists them.
#include "frontends/checkpoint/checkpoint_tree.h"
#include "frontends/checkpoint/safetensors.h"
#include "frontends/spec/json_text.h"
#include "support/json.h"
#include "support/model.h"
#include "support/refusal.h"
#include "support/run.h"
#include "support/safetensors_writer.h"
#include "support/temporary_folder.h"

#include <doctest/doctest.h>
#include <fmt/core.h>

#include <filesystem>

using namespace vitals;
using test::says;

namespace {

std::string nested(int levels) {
  return std::string(static_cast<std::size_t>(levels), '[') +
         std::string(static_cast<std::size_t>(levels), ']');
}

}  // namespace

TEST_CASE("JSON nests 64 levels deep") {
  CHECK(test::refusal([] { return parse_json(nested(64), "x.json"); }).empty());
  CHECK(
      says(test::refusal([] { return parse_json(nested(65), "x.json"); }), "nested more than 64"));
  CHECK(says(test::refusal([] { return parse_json(nested(1'000'000), "x.json"); }),
             "nested more than"));
}

TEST_CASE("a description is a file of 16 MiB at most") {
  const test::TemporaryFolder folder;
  const auto file = folder.write("x.json", "{}");
  std::filesystem::resize_file(file, kMaxJsonBytes);
  CHECK(read_text(file).size() == kMaxJsonBytes);
  std::filesystem::resize_file(file, kMaxJsonBytes + 1);
  CHECK(says(test::refusal([&] { return read_text(file); }), "larger than 16 MiB"));
}

TEST_CASE("a name has 256 bytes at most and no control characters") {
  const auto with_name = [](const std::string& name) {
    return test::refusal([&] { return test::model({{"architecture", "vit"}, {"name", name}}); });
  };
  CHECK(with_name(std::string(256, 'x')).empty());
  CHECK(says(with_name(std::string(257, 'x')), "/name: longer than 256 bytes"));
  CHECK(says(with_name("a\x1b[31mb"), "/name: 'a\\x1b[31mb' holds a control character"));
  CHECK(says(with_name("a\nb"), "holds a control character"));
}

TEST_CASE("a model has 100,000 layers at most, and a trace 20 million ops") {
  const auto with_depth = [](std::uint64_t depth) {
    return test::refusal([&] { return test::model({{"architecture", "vit"}, {"depth", depth}}); });
  };
  CHECK(with_depth(100'000).empty());
  CHECK(says(with_depth(100'001), "/depth: 100001 is too large; at most 100000"));
  CHECK(BuildOptions{}.max_ops == 20'000'000);
  const nlohmann::json spec = {{"architecture", "vit"}, {"depth", 100}};
  CHECK(test::refusal([&] { return test::trace(spec, {.max_ops = 3000}); }).empty());
  CHECK(says(test::refusal([&] { return test::trace(spec, {.max_ops = 1000}); }),
             "more than 1000 ops"));
}

TEST_CASE("sizes whose counts do not fit into 64 bits are refused, and where is told") {
  const nlohmann::json spec = {{"architecture", "vit"},
                               {"img_size", 1'048'576},
                               {"patch_size", 1},
                               {"embed_dim", 16'777'216},
                               {"num_heads", 16'777'216}};
  const auto told = test::refusal([&] { return test::trace(spec); });
  CHECK(says(told, "does not fit into 64 bits"));
  CHECK(told.size() >
        std::string("a count does not fit into 64 bits: the sizes are too large").size());
}

TEST_CASE("a checkpoint's header has 100 MB and a million tensors at most") {
  const test::TemporaryFolder folder;
  const auto file = folder.write("x.safetensors", std::string("\x01\xe1\xf5\x05\0\0\0\0{", 9));
  std::filesystem::resize_file(file, 100'000'001 + 8);
  CHECK(says(test::refusal([&] { return read_safetensors(file); }), "the format allows 100000000"));

  CHECK(kMaxTensors == 1'000'000);
  const auto with_tensors = [](int count) {
    std::string header;
    for (int i = 0; i < count; ++i)
      header += fmt::format(R"({}"{}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
                            i == 0 ? "{" : ",", i);
    return test::refusal([&] { (void)parse_safetensors_header(header + "}", 0, "x", 1000); });
  };
  CHECK(with_tensors(1000).empty());
  CHECK(says(with_tensors(1001), "more than 1000 tensors"));
}

TEST_CASE("names of tensors make a million modules at most") {
  CHECK(kMaxCheckpointModules == 1'000'000);
  const auto with_tensors = [](int count) {
    Checkpoint checkpoint;
    for (int i = 0; i < count; ++i) {
      StoredTensor tensor;
      // 24 modules a tensor, beside the root; the rest is the name.
      tensor.name = fmt::format("{}.a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t.u.v.w.x.y", i);
      tensor.type = find_element_type("F32");
      checkpoint.tensors.push_back(std::move(tensor));
    }
    return test::refusal([&] { (void)tree_of(checkpoint, 1000); });
  };
  CHECK(with_tensors(41).empty());
  CHECK(says(with_tensors(42), "make more than 1000 modules"));
}
