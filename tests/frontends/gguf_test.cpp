// The GGUF format as ggml/docs/gguf.md describes it, and what must be refused however it is said.
#include "frontends/gguf/gguf.h"

#include "frontends/checkpoint/checkpoint_files.h"
#include "support/gguf_writer.h"
#include "support/json.h"
#include "support/refusal.h"
#include "support/temporary_folder.h"

#include <doctest/doctest.h>

using namespace vitals;
using test::GgufWriter;

namespace {

// A file of one tensor.
GgufWriter small() {
  GgufWriter w;
  w.set("general.architecture", "llama").add({"a.weight", {4, 64}, "F16"});
  return w;
}

// What is said of the bytes, without the file's name; empty when they are read.
std::string refusal_of(const std::string& bytes) {
  const test::TemporaryFolder folder;
  const auto path = folder.write("x.gguf", bytes);
  const auto message = test::refusal([&] { return read_gguf(path); });
  if (message.empty()) return "";
  REQUIRE(message.starts_with(path + ": "));
  return message.substr(path.size() + 2);
}

// The header's bytes with those at `offset` replaced.
std::string with(std::string bytes, std::size_t offset, const std::string& other) {
  return bytes.replace(offset, other.size(), other);
}

bool mentions(const std::string& text, const std::string& part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

struct TypeSize {
  std::uint32_t id;
  const char* name;
  unsigned block;
  unsigned bytes;
};
// GGMLQuantizationType and GGML_QUANT_SIZES of gguf-py/gguf/constants.py (llama.cpp, commit
// 0024aa74); Q8_1 as in ggml-common.h, whose scales are of 16 bits.
constexpr TypeSize kSizes[] = {
    {0, "F32", 1, 4},         {1, "F16", 1, 2},         {2, "Q4_0", 32, 18},
    {3, "Q4_1", 32, 20},      {6, "Q5_0", 32, 22},      {7, "Q5_1", 32, 24},
    {8, "Q8_0", 32, 34},      {9, "Q8_1", 32, 36},      {10, "Q2_K", 256, 84},
    {11, "Q3_K", 256, 110},   {12, "Q4_K", 256, 144},   {13, "Q5_K", 256, 176},
    {14, "Q6_K", 256, 210},   {15, "Q8_K", 256, 292},   {16, "IQ2_XXS", 256, 66},
    {17, "IQ2_XS", 256, 74},  {18, "IQ3_XXS", 256, 98}, {19, "IQ1_S", 256, 50},
    {20, "IQ4_NL", 32, 18},   {21, "IQ3_S", 256, 110},  {22, "IQ2_S", 256, 82},
    {23, "IQ4_XS", 256, 136}, {24, "I8", 1, 1},         {25, "I16", 1, 2},
    {26, "I32", 1, 4},        {27, "I64", 1, 8},        {28, "F64", 1, 8},
    {29, "IQ1_M", 256, 56},   {30, "BF16", 1, 2},       {34, "TQ1_0", 256, 54},
    {35, "TQ2_0", 256, 66},   {39, "MXFP4", 32, 17},    {40, "NVFP4", 64, 36},
    {41, "Q1_0", 128, 18},
};

}  // namespace

TEST_CASE("every ggml type has the block and the bytes of ggml's own table") {
  GgufWriter w;
  std::uint64_t bytes = 0;
  for (const auto& size : kSizes) {
    CAPTURE(size.name);
    const auto* type = ggml_type(size.id);
    REQUIRE(type != nullptr);
    CHECK(type->name == size.name);
    CHECK(type->block == size.block);
    CHECK(type->bits == 8 * size.bytes);
    w.add({std::string("t.") + size.name, {16, 512}, size.name});
    bytes += 16 * 512 / size.block * size.bytes;
  }
  for (std::uint32_t id : {4U, 5U, 31U, 33U, 36U, 38U, 42U, 1000U}) CHECK(ggml_type(id) == nullptr);

  // All of them in one file, whose data section is their bytes.
  const test::TemporaryFolder folder;
  const auto path = w.write(folder.path("all.gguf"));
  const auto gguf = read_gguf(path);
  Count sum;
  for (const auto& tensor : gguf.checkpoint.tensors) sum += tensor.bytes();
  CHECK(sum == Count(bytes));
  CHECK(w.data_bytes() == bytes);  // each is a multiple of the alignment
  CHECK(gguf.checkpoint.files[0].header_bytes + bytes == std::filesystem::file_size(path));
}

TEST_CASE(
    "metadata of every type, tensors in PyTorch's order of dimensions, an alignment of its own") {
  GgufWriter w;
  w.alignment = 64;
  w.set("general.alignment", 64U)
      .raw("u8", 0, "\x07")
      .raw("i8", 1, "\xff")
      .raw("i16", 3, GgufWriter::number<std::int16_t>(-2))
      .raw("u16", 2, GgufWriter::number<std::uint16_t>(65535))
      .raw("i32", 5, GgufWriter::number<std::int32_t>(-70000))
      .raw("u64", 10, GgufWriter::number<std::uint64_t>(std::uint64_t{1} << 40))
      .raw("i64", 11, GgufWriter::number<std::int64_t>(-5))
      .raw("f64", 12, GgufWriter::number(std::bit_cast<std::uint64_t>(0.25)))
      .set("eps", 1e-5F)
      .set("flag", true)
      .set("words", std::vector<std::string>{"a", "", "ü"})
      .set("many", std::vector<std::string>(5000, "t"))
      .add({"b.weight", {3, 5, 7}, "F32"})
      .add({"a.bias", {5}, "F16"});
  const test::TemporaryFolder folder;
  const auto gguf = read_gguf(folder.write("x.gguf", w.bytes()));
  const auto& m = *gguf.metadata;
  CHECK(gguf.version == 3);
  CHECK(gguf.alignment == 64);
  CHECK(m["u8"] == 7);
  CHECK(m["i8"] == -1);
  CHECK(m["i16"] == -2);
  CHECK(m["u16"] == 65535);
  CHECK(m["i32"] == -70000);
  CHECK(m["u64"] == std::uint64_t{1} << 40);
  CHECK(m["i64"] == -5);
  CHECK(m["f64"] == 0.25);
  CHECK(m["eps"] == 1e-5);
  CHECK(m["flag"] == true);
  CHECK(m["words"] == nlohmann::json::array({"a", "", "ü"}));
  CHECK(m["many"] == nlohmann::json({{"length", 5000}}));
  const auto& c = gguf.checkpoint;
  REQUIRE(c.tensors.size() == 2);
  CHECK(c.find("b.weight")->shape == std::vector<std::uint64_t>{3, 5, 7});
  CHECK(c.find("b.weight")->begin % 64 == 0);
  CHECK(c.find("a.bias")->begin == c.find("b.weight")->begin + 448);  // 420 bytes, padded
  // The reader of tensors finds their bytes.
  TensorReader reader(read_checkpoint(c.path));
  std::vector<std::byte> bytes(10);
  reader.read(*c.find("a.bias"), bytes);
}

TEST_CASE("version 2 is read like version 3, others are refused with what to do") {
  auto w = small();
  w.version = 2;
  CHECK(refusal_of(w.bytes()).empty());
  w.version = 1;
  CHECK(mentions(refusal_of(w.bytes()), "version 1"));
  w.version = 4;
  CHECK(mentions(refusal_of(w.bytes()), "version 4"));
  w.version = 0x03000000;
  CHECK(mentions(refusal_of(w.bytes()), "big-endian"));
  CHECK(mentions(refusal_of("GGML" + w.bytes().substr(4)), "does not begin with \"GGUF\""));
  CHECK(mentions(refusal_of("GG"), "too few"));
}

TEST_CASE("a file that is cut off anywhere is refused, and names the place") {
  auto w = small();
  w.set("words", std::vector<std::string>{"one", "two"});
  const auto whole = w.bytes();
  REQUIRE(refusal_of(whole).empty());
  for (std::size_t size = 4; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(refusal_of(whole.substr(0, size)).empty());
  }
  CHECK(mentions(refusal_of(whole.substr(0, whole.size() - 1)), "tensor 'a.weight'"));
}

TEST_CASE("absurd counts and lengths are refused without being believed") {
  const auto whole = small().bytes();
  const auto huge = GgufWriter::number(~std::uint64_t{0});
  CHECK(mentions(refusal_of(with(whole, 8, huge)), "tensors are said"));
  CHECK(mentions(refusal_of(with(whole, 16, huge)), "keys are said"));
  CHECK(mentions(refusal_of(with(whole, 24, huge)), "the file ends"));
  // A list whose length is a number that overflows when it is multiplied.
  GgufWriter w;
  w.raw("list", 9,
        GgufWriter::number<std::uint32_t>(12) + GgufWriter::number(std::uint64_t{1} << 62));
  CHECK(mentions(refusal_of(w.bytes()), "key 'list'"));
  // Lists in lists, deeper than any writer makes them.
  std::string nested;
  for (int i = 0; i < 40; ++i)
    nested += GgufWriter::number<std::uint32_t>(9) + GgufWriter::number<std::uint64_t>(1);
  GgufWriter deep;
  deep.raw("deep", 9, nested);
  CHECK(mentions(refusal_of(deep.bytes()), "nested"));
}

TEST_CASE("names, types, shapes and offsets that cannot be are refused") {
  auto twice = small();
  twice.set("general.architecture", "llama");
  CHECK(mentions(refusal_of(twice.bytes()), "key 'general.architecture'"));
  auto same = small();
  same.add({"a.weight", {4}, "F32"});
  CHECK(mentions(refusal_of(same.bytes()), "the tensor 'a.weight' stands twice"));
  auto control = small();
  control.add({"a\n.weight", {4}, "F32"});
  CHECK(mentions(refusal_of(control.bytes()), "not printable"));
  auto odd = small();
  odd.add({"b.weight", {4, 100}, "Q4_K"});
  CHECK(mentions(refusal_of(odd.bytes()), "blocks of 256"));
  GgufWriter three;
  three.set("general.alignment", 48U);
  CHECK(mentions(refusal_of(three.bytes()), "power of two"));
  GgufWriter zero;
  zero.set("general.alignment", 0U);
  CHECK(mentions(refusal_of(zero.bytes()), "power of two"));
  GgufWriter unknown;
  unknown.raw("x", 13, "");
  CHECK(mentions(refusal_of(unknown.bytes() + std::string(32, '\0')), "unknown type 13"));
  GgufWriter truth;
  truth.raw("x", 7, "\2");
  CHECK(mentions(refusal_of(truth.bytes()), "truth value"));

  // The fields of the one tensor stand at the end of the header.
  const auto whole = small().bytes();
  const auto info = whole.find("a.weight") + 8;
  CHECK(mentions(refusal_of(with(whole, info, GgufWriter::number<std::uint32_t>(5))),
                 "5 dimensions"));
  CHECK(mentions(refusal_of(with(whole, info + 4 + 16, GgufWriter::number<std::uint32_t>(31))),
                 "unknown ggml type 31"));
  CHECK(mentions(refusal_of(with(whole, info + 4 + 20, GgufWriter::number<std::uint64_t>(16))),
                 "alignment"));
  CHECK(mentions(refusal_of(with(whole, info + 4 + 20, GgufWriter::number<std::uint64_t>(32))),
                 "end at 0"));
  CHECK(mentions(refusal_of(with(whole, info + 4 + 8, GgufWriter::number(std::uint64_t{1} << 60))),
                 "tensor 'a.weight'"));
}

TEST_CASE(
    "a split checkpoint is read from any of its parts, and a missing or wrong part is named") {
  const test::TemporaryFolder folder;
  const auto part = [&](std::uint16_t number, std::uint16_t count, std::int32_t tensors,
                        const std::string& name) {
    GgufWriter w;
    if (number == 0) w.set("general.architecture", "llama");
    w.raw("split.no", 2, GgufWriter::number(number))
        .raw("split.count", 2, GgufWriter::number(count))
        .raw("split.tensors.count", 5, GgufWriter::number(tensors))
        .add({name, {64}, "F16"});
    return w.bytes();
  };
  const auto first = folder.write("m-00001-of-00003.gguf", part(0, 3, 3, "a.weight"));
  const auto second = folder.write("m-00002-of-00003.gguf", part(1, 3, 3, "b.weight"));
  CHECK(mentions(test::refusal([&] { return read_gguf(first); }),
                 "m-00003-of-00003.gguf is missing"));
  const auto third = folder.write("m-00003-of-00003.gguf", part(2, 3, 3, "c.weight"));
  for (const auto& path : {first, second, third}) {
    const auto gguf = read_gguf(path);
    CHECK(gguf.checkpoint.files.size() == 3);
    REQUIRE(gguf.checkpoint.tensors.size() == 3);
    CHECK(gguf.checkpoint.find("c.weight")->file == 2);
    CHECK(gguf.metadata->contains("general.architecture"));
    CHECK(files_of_checkpoint(path).size() == 3);
  }
  (void)folder.write("m-00003-of-00003.gguf", part(1, 3, 3, "c.weight"));
  CHECK(mentions(test::refusal([&] { return read_gguf(first); }), "part 3 of 3 by its name"));
  (void)folder.write("m-00003-of-00003.gguf", part(2, 3, 4, "c.weight"));
  CHECK(test::refusal([&] { return read_gguf(first); }).empty());  // the first part's count holds
  (void)folder.write("m-00001-of-00003.gguf", part(0, 3, 4, "a.weight"));
  CHECK(mentions(test::refusal([&] { return read_gguf(first); }), "split.tensors.count states 4"));
  const auto alone = folder.write("alone.gguf", part(0, 3, 3, "a.weight"));
  CHECK(mentions(test::refusal([&] { return read_gguf(alone); }), "is one of 3 parts"));
}
