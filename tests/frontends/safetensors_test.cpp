// The format as https://github.com/huggingface/safetensors describes it: what a file may say, and
// what must be refused however it is said.
#include "frontends/checkpoint/safetensors.h"

#include "frontends/checkpoint/checkpoint_files.h"
#include "support/json.h"
#include "support/run.h"
#include "support/safetensors_writer.h"
#include "support/temporary_folder.h"

#include <doctest/doctest.h>

#include <cstring>
#include <fstream>

using namespace vitals;
using nlohmann::json;
using test::safetensors;

namespace {

// The message that the file is refused with; empty when it is read.
std::string header_refusal(const std::string& bytes) {
  const test::TemporaryFolder folder;
  try {
    (void)read_safetensors(folder.write("x.safetensors", bytes));
  } catch (const Error& error) {
    CHECK(std::string(error.what()).starts_with(folder.path("x.safetensors") + ": "));
    return std::string(error.what()).substr(folder.path("x.safetensors").size() + 2);
  }
  return "";
}

// A header of one tensor whose entry is given.
std::string one(const std::string& entry) { return "{\"a\":" + entry + "}"; }

}  // namespace

TEST_CASE("a file as the format's own description shows it") {
  const test::TemporaryFolder folder;
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"b.weight":{"dtype":"I64","shape":[2],"data_offsets":[3,19]},)"
      R"("a":{"dtype":"U8","shape":[1,3],"data_offsets":[0,3]},"scalar":{"dtype":"F16","shape":[],"data_offsets":[19,21]},)"
      R"("nothing":{"dtype":"F64","shape":[0,7],"data_offsets":[21,21]}}    )";
  const auto c =
      read_safetensors(folder.write("x.safetensors", safetensors(header, "abcdefghijklmnopqrstu")));
  CHECK(c.tensors.size() == 4);
  CHECK(c.metadata.at("format") == "pt");
  CHECK(c.name == "x.safetensors");
  const auto* b = c.find("b.weight");
  REQUIRE(b != nullptr);
  CHECK(b->type->name == "I64");
  CHECK(b->elements() == Count(2));
  CHECK(b->bytes() == Count(16));
  CHECK(c.find("scalar")->elements() == Count(1));
  CHECK(c.find("nothing")->elements() == Count(0));
  CHECK(c.find("c") == nullptr);

  // Bytes are found where the offsets say, aligned to nothing.
  TensorReader reader(c);
  std::string bytes(16, '\0');
  reader.read(*b, std::as_writable_bytes(std::span(bytes)));
  CHECK(bytes == "defghijklmnopqrs");
  std::string part(2, '\0');
  reader.read(*b, 14, std::as_writable_bytes(std::span(part)));
  CHECK(part == "rs");
  CHECK_THROWS_AS(reader.read(*b, 15, std::as_writable_bytes(std::span(part))), Error);
  CHECK_THROWS_AS(reader.read(*b, UINT64_MAX, std::as_writable_bytes(std::span(part))), Error);
  CHECK_THROWS_AS(reader.read(*b, std::as_writable_bytes(std::span(part))), Error);
}

TEST_CASE("every element type of the format has its width") {
  const std::pair<const char*, unsigned> types[] = {
      {"BOOL", 8},    {"U8", 8},          {"I8", 8},          {"F8_E4M3", 8}, {"F8_E5M2", 8},
      {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"U16", 16},    {"I16", 16},
      {"F16", 16},    {"BF16", 16},       {"U32", 32},        {"I32", 32},    {"F32", 32},
      {"U64", 64},    {"I64", 64},        {"F64", 64},        {"C64", 64},    {"F4", 4},
      {"F6_E2M3", 6}, {"F6_E3M2", 6}};
  CHECK(std::size(types) == element_types().size());
  for (const auto& type : types) {
    const auto* name = type.first;
    const auto bits = type.second;
    CAPTURE(name);
    const auto bytes = 8 * bits / 8;
    const auto header = R"({"a":{"dtype":")" + std::string(name) +
                        R"(","shape":[2,4],"data_offsets":[0,)" + std::to_string(bytes) + "]}}";
    const auto c = parse_safetensors_header(header, bytes, "x");
    CHECK(c.tensors[0].bytes() == Count(bytes));
    CHECK(c.tensors[0].elements() == Count(8));
  }
}

TEST_CASE("a header that cannot be is refused") {
  const std::string good = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  CHECK(header_refusal(safetensors(good, "abcd")).empty());
  CHECK(test::says(header_refusal(""), "0 bytes are too few"));
  CHECK(test::says(header_refusal("1234567"), "7 bytes are too few"));
  CHECK(test::says(header_refusal(std::string(8, '\0')), "does not begin with '{'"));
  CHECK(test::says(header_refusal(std::string(8, '\xff') + "{}"),
                   "length is given as 18446744073709551615 bytes, but only 2 follow"));
  CHECK(test::says(header_refusal(safetensors(good, "abcd").substr(0, 30)), "only 22 follow"));
  CHECK(test::says(header_refusal(safetensors(" " + good, "abcd")), "does not begin with '{'"));
  CHECK(test::says(header_refusal(safetensors("[]")), "does not begin with '{'"));
  CHECK(test::says(header_refusal(safetensors("{")), "header:1:2: not JSON"));
  CHECK(test::says(header_refusal(safetensors(good + "x", "abcd")), "not JSON"));
  CHECK(test::says(header_refusal(safetensors(good + std::string(3, '\0'), "abcd")),
                   "is zero; headers are padded with blanks"));
  CHECK(test::says(header_refusal(safetensors("{\"\xff\xfe\":{}}")), "UTF-8"));
  CHECK(test::says(header_refusal(safetensors("{\"\xc0\xaf\":{}}")), "UTF-8"));
  CHECK(test::says(
      header_refusal(safetensors(
          "{\"a\\u001b[2J\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", "abcd")),
      "control character"));
}

TEST_CASE("a header of gigabytes is refused before it is read") {
  const test::TemporaryFolder folder;
  const auto path =
      folder.write("big.safetensors", std::string("\x00\x00\x00\x00\x01\x00\x00\x00{", 9));
  std::filesystem::resize_file(path, (std::uint64_t{1} << 33U));  // sparse
  CHECK_THROWS_WITH_AS(
      (void)read_safetensors(path),
      (path + ": the header's length is given as 4294967296 bytes; the format allows 100000000")
          .c_str(),
      Error);
}

TEST_CASE("nesting and strange values are refused where they stand") {
  CHECK(test::says(header_refusal(safetensors(R"({"a":1})")),
                   "'a': expected an object, got a number"));
  CHECK(test::says(header_refusal(safetensors(R"({"a":[]})")),
                   "'a': expected an object, got a list"));
  CHECK(test::says(header_refusal(safetensors(R"({"a":null})")),
                   "'a': expected an object, got null"));
  CHECK(test::says(header_refusal(safetensors(one(R"({"dtype":{}})"))),
                   "tensor 'a': /dtype: expected a string, got an object"));
  CHECK(test::says(header_refusal(safetensors(one(R"({"dtype":true})"))),
                   "expected a string, got true"));
  CHECK(test::says(header_refusal(safetensors(one(R"({"shape":[[1]]})"))),
                   "/shape: expected whole numbers, got a list"));
  CHECK(test::says(header_refusal(safetensors(one(R"({"shape":["1"]})"))),
                   "/shape: expected whole numbers, got a string"));
  CHECK(
      test::says(header_refusal(safetensors(one(R"({"shape":[-1]})"))), "/shape: -1 is negative"));
  CHECK(test::says(header_refusal(safetensors(one(R"({"shape":[1.5]})"))),
                   "/shape: 1.5 is no whole number"));
  CHECK(test::says(header_refusal(safetensors(one(R"({"shape":[99999999999999999999999]})"))),
                   "is no whole number of 64 bits"));
  CHECK(test::says(header_refusal(safetensors(one(R"({"shape":3})"))),
                   "/shape: expected a list of numbers, got a number"));
  CHECK(
      test::says(header_refusal(safetensors(one(R"({"colour":"red"})"))), "unknown key 'colour'"));
  CHECK(test::says(header_refusal(safetensors(R"({"__metadata__":{"a":{}}})")),
                   "__metadata__: /a: expected a string, got an object"));
  CHECK(test::says(header_refusal(safetensors(R"({"__metadata__":"pt"})")), "expected an object"));
  // However deep: refused at the first level that the format does not have.
  CHECK(test::says(header_refusal(safetensors("{\"a\":" + std::string(1'000'000, '['))),
                   "expected an object, got a list"));
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "{\"a\":";
  CHECK(test::says(header_refusal(safetensors(deep)),
                   "/a: expected a list of numbers, got an object") == false);
  CHECK(test::says(header_refusal(safetensors(deep)), "tensor 'a': unknown key 'a'"));
}

TEST_CASE("what stands twice is refused") {
  const std::string a = R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  const std::string b = R"("a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]})";
  CHECK(test::says(header_refusal(safetensors("{" + a + "," + b + "}", "xy")),
                   "the tensor 'a' stands twice"));
  CHECK(
      test::says(header_refusal(safetensors(
                     one(R"({"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]})"), "x")),
                 "the key 'dtype' stands twice"));
  CHECK(test::says(header_refusal(safetensors(R"({"__metadata__":{"k":"1","k":"2"}})")),
                   "the key 'k' stands twice"));
  CHECK(test::says(header_refusal(safetensors(R"({"__metadata__":{},"__metadata__":{}})")),
                   "__metadata__: stands twice"));
}

TEST_CASE("a tensor whose parts do not agree is refused") {
  auto entry = [](const std::string& dtype, const std::string& shape, const std::string& offsets) {
    return one("{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets +
               "}");
  };
  const std::string data(16, 'x');
  CHECK(header_refusal(safetensors(entry("F32", "[2,2]", "[0,16]"), data)).empty());
  CHECK(test::says(header_refusal(safetensors(entry("F31", "[2,2]", "[0,16]"), data)),
                   "unknown dtype 'F31'; the format has BOOL, U8"));
  CHECK(test::says(
      header_refusal(safetensors(entry("F16", "[2,2]", "[0,16]"), data)),
      "tensor 'a': shape [2, 2] of F16 needs 8 bytes, but data_offsets [0, 16] give 16"));
  CHECK(test::says(header_refusal(safetensors(entry("F32", "[2,2]", "[16,0]"), data)),
                   "end before they begin"));
  CHECK(test::says(header_refusal(safetensors(entry("F32", "[2,2]", "[0,32]"), data)),
                   "reach beyond the 16 bytes of data"));
  CHECK(test::says(header_refusal(safetensors(entry("F32", "[2,2]", "[0]"), data)),
                   "expected [begin, end], got 1 numbers"));
  CHECK(test::says(header_refusal(safetensors(entry("F32", "[2,2]", "[0,16,32]"), data)),
                   "got 3 numbers"));
  CHECK(test::says(header_refusal(safetensors(entry("F4", "[3]", "[0,2]"), data)),
                   "3 elements of F4 do not fill whole bytes"));
  // Products that wrap round 64 bits to something that would fit.
  CHECK(
      test::says(header_refusal(safetensors(entry("F32", "[4294967296,4294967296]", "[0,0]"), "")),
                 "does not fit into 64 bits"));
  CHECK(test::says(
      header_refusal(safetensors(entry("F32", "[4611686018427387905]", "[0,4]"), "abcd")),
      "does not fit into 64 bits"));
  CHECK(test::says(
      header_refusal(safetensors(entry("F32", "[9223372036854775808,2,0]", "[0,0]"), "")),
      "does not fit into 64 bits"));
  for (const std::string missing : {"dtype", "shape", "data_offsets"}) {
    json whole = {{"dtype", "U8"}, {"shape", {1}}, {"data_offsets", {0, 1}}};
    whole.erase(missing);
    CHECK(test::says(header_refusal(safetensors(one(test::dumped(whole)), "x")),
                     "tensor 'a': missing '" + missing + "'"));
  }
}

TEST_CASE("every byte belongs to exactly one tensor") {
  auto two = [](const std::string& first, const std::string& second, std::size_t bytes) {
    return safetensors("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" + first +
                           "},\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" + second +
                           "}}",
                       std::string(bytes, 'x'));
  };
  CHECK(header_refusal(two("[0,4]", "[4,8]", 8)).empty());
  CHECK(header_refusal(two("[4,8]", "[0,4]", 8)).empty());  // in any order
  CHECK(test::says(header_refusal(two("[0,4]", "[0,4]", 4)), "overlap"));
  CHECK(test::says(header_refusal(two("[0,4]", "[3,7]", 7)), "'a' [0, 4] and 'b' [3, 7] overlap"));
  CHECK(test::says(header_refusal(two("[0,4]", "[5,9]", 9)),
                   "the 1 bytes of data before tensor 'b'"));
  CHECK(test::says(header_refusal(two("[1,5]", "[5,9]", 9)), "before tensor 'a'"));
  CHECK(test::says(header_refusal(two("[0,4]", "[4,8]", 10)),
                   "the last 2 bytes of the file belong to no tensor"));
  CHECK(test::says(header_refusal(safetensors("{}", "x")), "the last 1 bytes"));
  CHECK(header_refusal(safetensors("{}")).empty());
}

TEST_CASE("a file that changes under the reader is an error, not a crash") {
  const test::TemporaryFolder folder;
  const auto path = folder.write("x.safetensors", safetensors({{"a", {1000}}, {"b", {1000}}}));
  const auto c = read_safetensors(path);
  std::string bytes(4000, '\0');
  const auto out = std::as_writable_bytes(std::span(bytes));
  TensorReader early(c);
  early.read(*c.find("a"), out);
  std::filesystem::resize_file(path, 2000);
  CHECK_THROWS_WITH_AS(early.read(*c.find("b"), out), doctest::Contains("ends at byte"), Error);
  TensorReader late(c);
  CHECK_THROWS_WITH_AS(late.read(*c.find("a"), out),
                       doctest::Contains("has changed since its header was read"), Error);
}

TEST_CASE("what is no file is told as such") {
  const test::TemporaryFolder folder;
  CHECK_THROWS_WITH_AS((void)read_safetensors(folder.path()), doctest::Contains("is a directory"),
                       Error);
  CHECK_THROWS_WITH_AS((void)read_safetensors(folder.path("none")),
                       doctest::Contains("No such file"), Error);
  CHECK_THROWS_WITH_AS((void)read_safetensors("/dev/null"),
                       doctest::Contains("is not a regular file"), Error);
}
