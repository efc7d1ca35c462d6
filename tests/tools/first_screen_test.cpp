// What a user sees first: the answer of every command fits an 80x24 terminal, and names and
// defaults are taken as people write them.
#include "support/json.h"
#include "support/run.h"
#include "support/temporary_folder.h"

#include <doctest/doctest.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <regex>
#include <sstream>

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
      {"memory", vit, "--batch", "64"},
      {"memory", vit, "--fit", "rtx4090"},
      {"memory", vit, "--fit", "24GB", "--mode", "inference"},
      {"memory", "vit_huge_patch14_224", "--batch", "256", "--device", "rtx4090"},
      {"memory", llama, "--device", "h100"},
      {"memory", llama, "--mode", "inference"},
      {"memory", llama, "--mode", "inference", "--new-tokens", "4096", "--device", "rtx4090"},
      {"memory", llama, "--stack", "transformers", "--lora-rank", "16", "--quantize", "nf4",
       "--checkpoint", "block", "--seq-len", "4096", "--fit", "rtx4090"},
      {"memory", "llama-3-70b", "--dp", "8", "--tp", "8", "--pp", "4", "--zero", "1",
       "--micro-batches", "8", "--batch", "8"},
      {"memory", "mixtral-8x7b", "--mode", "inference", "--device", "a100-80gb"},
      {"memory", "llama-3-70b", "--stack", "llama.cpp", "--quantize", "Q4_K_M", "--gpu-layers",
       "40", "--device", "rtx4090"},
      {"plan", vit},
      {"plan", llama, "--mode", "serve", "--price", "h100=2.50"},
  };
  for (const auto& command : commands) {
    const auto text = page(command);
    CAPTURE(fmt::format("{}", fmt::join(command, " ")));
    CAPTURE(text);
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

// The first table of the page: names and bytes, down to its total.
std::vector<std::pair<std::string, double>> parts_of(const std::string& text) {
  const std::map<std::string, double> units = {
      {"B", 1}, {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40}};
  std::vector<std::pair<std::string, double>> parts;
  std::istringstream lines(text);
  static const std::regex row(R"(^(\S.*?)  +([0-9.]+) ([KMGT]?i?B)\b.*)");
  for (std::string line; std::getline(lines, line);) {
    std::smatch found;
    if (!std::regex_match(line, found, row)) continue;
    parts.emplace_back(found[1], std::stod(found[2]) * units.at(found[3]));
    if (found[1] == "total") break;
  }
  return parts;
}

TEST_CASE("memory: one total decides, and its parts sum to it") {
  const std::string llama = "llama-3-8b";
  const std::vector<Words> commands = {
      {"memory", "vit_base_patch16_224", "--batch", "64"},
      {"memory", "vit_base_patch16_224", "--device", "cpu", "--mode", "inference"},
      {"memory", "resnet50", "--fit", "rtx3090"},
      {"memory", llama, "--device", "h100"},
      {"memory", llama, "--mode", "inference", "--batch", "4"},
      {"memory", llama, "--dp", "8", "--fsdp", "2", "--stack", "transformers"}};
  for (const auto& command : commands) {
    CAPTURE(fmt::format("{}", fmt::join(command, " ")));
    const auto text = page(command);
    const auto parts = parts_of(text);
    REQUIRE(parts.size() > 2);
    REQUIRE(parts.back().first == "total");
    double sum = 0;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) sum += parts[i].second;
    CHECK(sum == doctest::Approx(parts.back().second).epsilon(0.005));
    for (const char* fact : {"\nset by   ", "\nbatch    ", "\nassumed  "})
      CHECK(test::says(text, fact));
    CHECK_FALSE(test::says(text, "rule of thumb "));
    auto whole = command;
    whole.emplace_back("--details");
    CHECK(test::says(page(whole), "rule of thumb "));
  }
}

// The total is what the JSON calls device_memory; what is left is of the whole device.
TEST_CASE("memory: the first line says what the device must have, and whether it fits") {
  const std::string vit = "vit_base_patch16_224";
  const auto first = [](Words words) {
    auto text = page(std::move(words));
    text.resize(text.find("\n\n"));
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text;
  };
  const auto fits = first({"memory", vit, "--device", "t4"});
  CHECK(test::says(fits, "of t4's 16.0 GiB: it fits, "));
  CHECK(test::says(first({"memory", vit, "--device", "t4", "--batch", "512"}), "does not fit, "));
  CHECK(test::says(first({"memory", vit}), "of a GPU"));
  CHECK(test::says(first({"memory", vit, "--device", "cpu"}), "of the CPU's memory"));
  const auto search = first({"memory", vit, "--fit", "t4"});
  const auto batch = facts_of({"memory", vit, "--fit", "t4"})["fit"]["batch"].dump();
  CHECK(test::says(search, "batch " + batch + " is the largest that fits into t4"));
}

TEST_CASE("memory: a change's saving is that of the command with the change") {
  const Words asked = {"memory", "vit_base_patch16_224", "--batch", "64"};
  auto changed = asked;
  changed.insert(changed.end(), {"--checkpoint", "block"});
  const auto saved = facts_of(asked)["peak"]["bytes"].get<double>() -
                     facts_of(changed)["peak"]["bytes"].get<double>();
  CHECK(test::says(page(asked), fmt::format(" {:.2f} GiB  33 % more time", saved / 0x1p30)));
}

// Parameters of Llama 3 8B: 8.03 billion; int8 and nf4 keep embeddings and scales beside.
TEST_CASE("memory: types of weights where neither device nor precision is given") {
  const auto text = page({"memory", "llama-3-8b", "--mode", "inference"});
  CHECK(test::says(text, "\nfp32        29.9 GiB"));
  CHECK(test::says(text, "\nbf16        15.0 GiB"));
  for (const char* type : {"\nint8 ", "\nnf4 "}) CHECK(test::says(text, type));
  CHECK_FALSE(test::says(
      page({"memory", "llama-3-8b", "--mode", "inference", "--precision", "bf16"}), "\nint8 "));
  CHECK_FALSE(
      test::says(page({"memory", "vit_tiny_patch16_224", "--mode", "inference"}), "\nint8 "));
}

TEST_CASE("memory: the batch of a device and that of a step") {
  const auto text = page(
      {"memory", "llama-3-8b", "--dp", "8", "--zero", "3", "--batch", "4", "--accumulate", "2"});
  CHECK(test::says(text, "4 on a device"));
  CHECK(test::says(text, "64 in a step"));
  const Words cut = {"memory", "llama-3-8b", "--dp", "2", "--batch", "8", "--micro-batches", "4"};
  CHECK(test::says(page(cut), "8 on a device in 4 micro-batches"));
  CHECK(test::says(page(cut), "16 in a step"));
  CHECK(facts_of(cut)["batch"] == 8);
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
  CHECK(test::says(fit.out, "rtx3090"));
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
