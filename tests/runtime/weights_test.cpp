// Values out of checkpoints: the bit patterns of IEEE 754 and bfloat16, at any offset; and which
// weights a model refuses, with what words.
#include "runtime/program/weights.h"

#include "core/error.h"
#include "frontends/spec/builtin.h"
#include "support/safetensors_writer.h"
#include "support/temporary_folder.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>

using namespace vitals;

namespace {

template <class Bits>
std::string bytes_of(std::initializer_list<Bits> values) {
  std::string bytes;
  for (auto v : values)
    for (std::size_t i = 0; i < sizeof(Bits); ++i)
      bytes += static_cast<char>(static_cast<unsigned char>(v >> (8 * i)));
  return bytes;
}

// One tensor "x" behind a byte of another one, in a header of an odd length.
std::vector<float> read_one(const std::string& dtype, std::size_t count, const std::string& data) {
  const test::TemporaryFolder folder;
  std::string header = R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"x":{"dtype":")" +
                       dtype + R"(","shape":[)" + std::to_string(count) +
                       R"(],"data_offsets":[1,)" + std::to_string(1 + data.size()) + "]}}";
  if (header.size() % 2 == 0) header += ' ';
  const auto file =
      read_checkpoint(folder.write("x.safetensors", test::safetensors(header, "\1" + data)));
  TensorReader reader(file);
  return read_values(reader, file, *file.find("x"));
}

}  // namespace

TEST_CASE("F16, BF16, F32 and F64 are read at any offset") {
  CHECK(
      read_one("F16", 7,
               bytes_of<std::uint16_t>({0x3c00, 0xc000, 0x7bff, 0x0001, 0x03ff, 0x3555, 0x8000})) ==
      std::vector<float>{1.0F, -2.0F, 65504.0F, 0x1p-24F, 0x3ffp-24F, 0.333251953125F, -0.0F});
  CHECK(read_one("BF16", 3, bytes_of<std::uint16_t>({0x3f80, 0xc049, 0x0001})) ==
        std::vector<float>{1.0F, -3.140625F, 0x1p-133F});
  CHECK(read_one("F32", 2, bytes_of<std::uint32_t>({0x3f800000, 0xc0490fdb})) ==
        std::vector<float>{1.0F, -3.14159274F});
  CHECK(read_one("F64", 2, bytes_of<std::uint64_t>({0x3ff0000000000000, 0xc00921fb54442d18})) ==
        std::vector<float>{1.0F, -3.14159274F});
}

TEST_CASE("a value that is no number is named with its file, tensor and place") {
  CHECK_THROWS_WITH_AS((void)read_one("F16", 2, bytes_of<std::uint16_t>({0x3c00, 0x7e00})),
                       doctest::Contains("x.safetensors: the tensor 'x': element [1] is nan"),
                       Error);
  CHECK_THROWS_WITH_AS((void)read_one("BF16", 1, bytes_of<std::uint16_t>({0xff80})),
                       doctest::Contains("element [0] is -inf"), Error);
  CHECK_THROWS_WITH_AS((void)read_one("F64", 1, bytes_of<std::uint64_t>({0x7e37e43c8800759c})),
                       doctest::Contains("element [0] is 1e+300, which fp32 cannot hold"), Error);
  CHECK_THROWS_WITH_AS((void)read_one("I32", 1, bytes_of<std::uint32_t>({7})),
                       doctest::Contains("of the type I32; vitals computes with F32"), Error);
}

TEST_CASE("positions for another image size are told apart from other misfits") {
  const auto model = builtin_model("vit_tiny_patch16_224", "test");
  const auto graph = model.build();
  const test::TemporaryFolder folder;
  const auto advice = [&](std::uint64_t tokens, bool drop_norm) {
    auto tensors = test::tensors_of(graph);
    for (auto& t : tensors)
      if (t.name == "pos_embed") t.shape[1] = tokens;
    if (drop_norm) std::erase_if(tensors, [](const auto& t) { return t.name == "norm.weight"; });
    const auto file = read_checkpoint(folder.write("w.safetensors", test::safetensors(tensors)));
    return position_advice(graph, fit(graph, file));
  };
  CHECK(advice(197, false).empty());
  CHECK(advice(577, true).empty());
  CHECK(advice(577, false).find("made for --img-size 384.") != std::string::npos);
  const auto odd = advice(300, false);
  CHECK(odd.find("positions for 300 tokens, the model has 197") != std::string::npos);
  CHECK(odd.find("--img-size") == std::string::npos);
}
