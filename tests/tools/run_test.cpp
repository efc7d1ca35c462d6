// `vitals run` as scripts see it: files in, files out, and what is refused.
#include "support/run.h"

#include "spec/checkpoint_files.h"
#include "support/safetensors_writer.h"
#include "support/temporary_folder.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

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

std::string image(const std::string& name, std::vector<std::uint64_t> shape, float value) {
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

}  // namespace

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
