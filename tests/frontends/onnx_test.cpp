// Reading ONNX files and running through them without data: facts of PyTorch modules that were
// exported (tests/data/onnx/facts.json).
#include "frontends/onnx/expand.h"
#include "frontends/onnx/read.h"
#include "support/json.h"

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>

using namespace vitals;
using nlohmann::json;

namespace {

std::string folder() { return std::string(TEST_DATA_DIR) + "/onnx/"; }

std::string bytes_of(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

json facts() { return test::parsed(bytes_of(folder() + "facts.json")).at("files"); }

onnx::Sizes sizes_given(const json& fact) {
  onnx::Sizes sizes;
  if (!fact.contains("given")) return sizes;
  for (const auto& [name, size] : fact["given"].items()) {
    if (name == "batch")
      sizes.batch = size.get<std::int64_t>();
    else
      sizes.named[name] = size.get<std::int64_t>();
  }
  return sizes;
}

json shape_of(const onnx::Program& program, onnx::ValueId id) {
  return json(program.values.at(id).dims);
}

std::string onnx_refusal(const std::string& bytes, const onnx::Sizes& sizes = {}) {
  try {
    (void)onnx::expand(onnx::read_model(bytes, "test"), sizes);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("exported models: multiply-accumulates and shapes of every node") {
  const auto all = facts();
  for (const auto& item : all.items()) {
    const std::string file = item.key();
    const auto& fact = item.value();
    CAPTURE(file);
    const auto model = onnx::read_model_file(folder() + file);
    const auto program = onnx::expand(model, sizes_given(fact));
    Count macs;
    for (const auto& step : program.steps) {
      CAPTURE(step.node->name);
      CHECK(step.known);
      CHECK(step.shaped);
      macs += step.macs;
    }
    CHECK(macs.value() == fact["macs"].get<std::uint64_t>());
    std::size_t found = 0;
    for (const auto& row : fact["nodes"])
      for (const auto& step : program.steps)
        if (step.node->name == row[0].get<std::string>()) {
          ++found;
          CHECK(step.macs.value() == row[3].get<std::uint64_t>());
          if (!row[2].is_null()) CHECK(shape_of(program, step.outputs.at(0)) == row[2]);
        }
    CHECK(found == fact["nodes"].size());
  }
}

TEST_CASE("a file whose weights are inputs has the same weights") {
  const auto with = onnx::read_model_file(folder() + "alexnet.onnx");
  const auto without = onnx::read_model_file(folder() + "alexnet.noparams.onnx");
  const auto a = onnx::expand(with, {});
  const auto b = onnx::expand(without, {});
  auto weights = [](const onnx::Program& p) {
    Count sum;
    for (const auto& v : p.values)
      if (v.initializer != nullptr) sum += onnx::numel(v.dims);
    return sum.value();
  };
  CHECK(weights(a) == 61'100'840);
  CHECK(weights(b) == 61'100'840);
  CHECK(b.inputs.size() == 1);
}

TEST_CASE("open dimensions are asked for by name") {
  onnx::Sizes none;
  none.batch = 0;
  const auto model = onnx::read_model_file(folder() + "lstm_classifier.dynbatch.onnx");
  CHECK_THROWS_WITH_AS((void)onnx::expand(model, none),
                       "dimension batch is not stated by the file; set it with --dim batch=N",
                       Error);
  onnx::Sizes wrong;
  wrong.named["height"] = 3;
  CHECK_THROWS_WITH_AS((void)onnx::expand(model, wrong),
                       "--dim height: the file has no such dimension (it has: batch)", Error);
}

TEST_CASE("a trip count that is an input can be given, or the loop is counted once and said") {
  const auto model = onnx::read_model_file(folder() + "if_loop_script.onnx");
  const auto open = onnx::expand(model, {});
  REQUIRE(open.notes.size() == 2);
  CHECK(open.notes[1].find("1 loops depend on data; 1 turns are counted") == 0);
}

TEST_CASE("what is no ONNX file is refused with the place") {
  const auto whole = bytes_of(folder() + "if_loop_script.onnx");
  CHECK(onnx_refusal(whole.substr(0, 700)).find("but 678 are left; is the file complete?") !=
        std::string::npos);
  CHECK(onnx_refusal("") == "test: holds no graph; is this an ONNX model?");
  CHECK(onnx_refusal("\x08" + std::string(11, '\xff')).find("more than ten bytes") !=
        std::string::npos);
  CHECK(onnx_refusal("hello world").find("is this a protobuf file?") != std::string::npos);
}

TEST_CASE("an ONNX file is known by its first bytes") {
  CHECK(onnx::looks_like_onnx(bytes_of(folder() + "alexnet.onnx").substr(0, 512)));
  CHECK_FALSE(onnx::looks_like_onnx("{\"architecture\": \"vit\"}"));
  CHECK_FALSE(onnx::looks_like_onnx("GGUF\x03"));
  CHECK_FALSE(onnx::looks_like_onnx(""));
}

TEST_CASE("float16, negative numbers and packed fields of small tensors") {
  onnx::Model model;
  onnx::Tensor tensor;
  tensor.type = onnx::DataType::float16;
  tensor.dims = {3};
  // raw_data (field 9): 1.0, -2.0, the smallest subnormal
  const std::string half("\x4a\x06\x00\x3c\x00\xc0\x01\x00", 8);
  model.file = half;
  tensor.message = half;
  const auto values = onnx::values_of(model, tensor, 8);
  REQUIRE(values);
  CHECK(values->reals == std::vector<double>{1.0, -2.0, 0x1p-24});
  // int64_data (field 7), packed: 3, -1
  const std::string packed("\x3a\x0b\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 13);
  tensor.type = onnx::DataType::int64;
  tensor.dims = {2};
  model.file = packed;
  tensor.message = packed;
  CHECK(onnx::values_of(model, tensor, 8)->integers == std::vector<std::int64_t>{3, -1});
  tensor.dims = {4};
  CHECK_THROWS_AS((void)onnx::values_of(model, tensor, 8), Error);
  CHECK_FALSE(onnx::values_of(model, tensor, 3));
}
