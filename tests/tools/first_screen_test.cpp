// What a user sees first: the answer of every command fits an 80x24 terminal, and names and
// defaults are taken as people write them.
#include "support/json.h"
#include "support/run.h"
#include "support/temporary_folder.h"

#include <doctest/doctest.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>

namespace {

using namespace vitals;
using test::run;
using Words = std::vector<std::string>;

std::string page(Words words) {
  words.insert(words.end(), {"--width", "80"});
  const auto result = run(words);
  CAPTURE(result.err);
  CHECK(result.exit_code == 0);
  return result.out;
}

nlohmann::json facts_of(Words words) {
  words.insert(words.end(), {"--format", "json"});
  const auto result = run(words);
  CAPTURE(result.err);
  REQUIRE(result.exit_code == 0);
  return test::parsed(result.out);
}

TEST_CASE("the default page of a command fits a terminal of 80 columns and 24 lines") {
  const std::string vit = "vit_base_patch16_224";
  const std::string large = "vit_large_patch16_224";
  const std::string llama = "llama-3-8b";
  const std::vector<Words> commands = {
      {"flops", vit},
      {"flops", llama},
      {"predict", vit, "--device", "rtx4090", "--batch", "64"},
      {"predict", vit, "--device", "t4"},
      {"compare", vit, large, "vit_huge_patch14_224", "--device", "rtx4090"},
      {"compare", llama, "mixtral-8x7b"},
      {"summary", llama, "--style", "tree"},
  };
  for (const auto& command : commands) {
    const auto text = page(command);
    CAPTURE(fmt::format("{}", fmt::join(command, " ")));
    CHECK(std::count(text.begin(), text.end(), '\n') <= 24);
    CHECK(std::count(text.begin(), text.end(), '\n') >= 8);
    CHECK(test::says(text, "--details"));
    auto whole = command;
    whole.emplace_back("--details");
    const auto all = page(whole);
    CHECK(std::count(all.begin(), all.end(), '\n') > std::count(text.begin(), text.end(), '\n'));
    CHECK_FALSE(test::says(all, "--details"));
  }
}

TEST_CASE("compare prints the sizes of the ViT paper (Dosovitskiy et al. 2020, table 1) first") {
  const auto text =
      page({"compare", "vit_base_patch16_224", "vit_large_patch16_224", "vit_huge_patch14_224"});
  for (const char* row : {"layers", "hidden size", "MLP size", "heads", "patch size"})
    CHECK(test::says(text, row));
  const auto json = facts_of(
      {"compare", "vit_base_patch16_224", "vit_large_patch16_224", "vit_huge_patch14_224"});
  const std::vector<std::vector<int>> paper = {
      {12, 768, 3072, 12}, {24, 1024, 4096, 16}, {32, 1280, 5120, 16}};
  for (std::size_t i = 0; i < paper.size(); ++i) {
    const auto& model = json["models"][i];
    CHECK(model["layers"] == paper[i][0]);
    CHECK(model["hidden_size"] == paper[i][1]);
    CHECK(model["mlp_size"] == paper[i][2]);
    CHECK(model["heads"] == paper[i][3]);
  }
  CHECK(json["models"][2]["patch_size"] == 14);
}

TEST_CASE("devices are found by the names that people write") {
  for (const char* name : {"RTX4090", "rtx 4090", "4090", "RTX-4090", "NVIDIA GeForce RTX 4090"})
    CHECK(facts_of({"predict", "vit_tiny_patch16_224", "--device", name})["device"] == "rtx4090");
  const auto fit = run({"memory", "vit_tiny_patch16_224", "--fit", "3090"});
  CHECK(fit.exit_code == 0);
  CHECK(test::says(fit.out, "RTX 3090"));
  const auto unclear = run({"memory", "vit_tiny_patch16_224", "--fit", "A100"});
  CHECK(unclear.exit_code == 2);
  CHECK(test::says(unclear.err, "'A100' may mean a100-pcie, a100-40gb, a100-80gb"));
  CHECK(run({"memory", "vit_tiny_patch16_224", "--fit", "24"}).exit_code == 2);
}

TEST_CASE("help CMD is CMD --help, and -V is --version") {
  CHECK(run({"help", "flops"}).out == run({"flops", "--help"}).out);
  CHECK(run({"help"}).out == run({"--help"}).out);
  CHECK(run({"-V"}).out == run({"--version"}).out);
  const auto wrong = run({"help", "flps"});
  CHECK(wrong.exit_code == 2);
  CHECK(wrong.out.empty());
  CHECK(test::says(wrong.err, "did you mean 'flops'"));
}

TEST_CASE("defaults come from the environment and from a file, and the command line wins") {
  using Environment = std::map<std::string, std::optional<std::string>>;
  const auto style = [](const Environment& environment, const Words& more = {}) {
    Words words = {"summary", "vit_tiny_patch16_224"};
    words.insert(words.end(), more.begin(), more.end());
    return test::run_in({.environment = environment}, words);
  };
  const auto tree = style({}, {"--style", "tree"}).out;
  const auto table = style({}).out;
  CHECK(tree != table);
  CHECK(style({{"VITALS_STYLE", "tree"}}).out == tree);
  CHECK(style({{"VITALS_STYLE", "tree"}}, {"--style", "torchsummary"}).out == table);
  CHECK(style({{"VITALS_STYLE", "bush"}}).exit_code == 2);
  const test::TemporaryFolder folder;
  std::filesystem::create_directory(folder.path("vitals"));
  folder.write("vitals/config.toml", "[summary]\nstyle = \"tree\"\n");
  CHECK(style({{"XDG_CONFIG_HOME", folder.path()}}).out == tree);
  CHECK(style({{"XDG_CONFIG_HOME", folder.path()}}, {"--style", "torchsummary"}).out == table);
  folder.write("vitals/config.toml", "[summary]\nstile = \"tree\"\n");
  const auto unknown = style({{"XDG_CONFIG_HOME", folder.path()}});
  CHECK(unknown.exit_code == 1);
  CHECK(unknown.out.empty());
  CHECK(test::says(unknown.err, folder.path("vitals/config.toml")));
  CHECK(test::says(unknown.err, "summary.stile"));
}

}  // namespace
