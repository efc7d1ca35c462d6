// The command line as scripts see it: exit codes, what goes where, files.
#include "support/json.h"
#include "support/run.h"
#include "support/temporary_folder.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

using nlohmann::json;
using vitals::test::run;
namespace test = vitals::test;
using vitals::test::TemporaryFolder;

TEST_CASE("wrong usage exits 2, says so on standard error, and prints nothing") {
  const std::vector<std::vector<std::string>> wrong = {
      {},
      {"frobnicate"},
      {"summary"},
      {"summary", "vit_base_patch32", "--frob"},
      {"summary", "vit_base_patch32", "--batch", "0"},
      {"summary", "vit_base_patch32", "--batch", "-3"},
      {"summary", "vit_base_patch32", "--batch", "x"},
      {"summary", "vit_base_patch32", "--in-chans", "0"},
      {"summary", "vit_base_patch32", "--img-size", "224x"},
      {"summary", "vit_base_patch32", "--img-size", "0"},
      {"summary", "vit_base_patch32", "--num-classes", "-1"},
      {"summary", "vit_base_patch32", "--format", "xml"},
      {"summary", "vit_base_patch32", "--style", "flat"},
      {"summary", "vit_base_patch32", "--set", "depth"},
      {"summary", "vit_base_patch32", "--optimizer", "adamw"},
      {"summary", "vit_base_patch32", "--batch", "1", "--batch", "2"},
      {"compare", "vit_base_patch32"},
      {"spec"},
  };
  for (const auto& arguments : wrong) {
    std::string shown;
    for (const auto& a : arguments) shown += a + " ";
    CAPTURE(shown);
    const auto result = run(arguments);
    CHECK(result.exit_code == 2);
    CHECK(result.out.empty());
    CHECK(result.err.starts_with("vitals"));
  }
}

TEST_CASE("faults in the input exit 1, each with its own message") {
  const TemporaryFolder folder;
  std::ofstream(folder.path("empty.json")).close();
  std::ofstream(folder.path("broken.json")) << "{\"architecture\": \"vit\",\n  \"depth\": 12,\n}\n";
  const struct {
    std::vector<std::string> arguments;
    std::string message;
  } faults[] = {
      {{"vit_bas_patch32"}, "unknown model 'vit_bas_patch32'; did you mean 'vit_base_patch32_224'"},
      {{"no/such/spec.json"}, "no/such/spec.json: cannot be read: No such file or directory"},
      {{"/"}, "/: a folder without a config.json"},
      {{folder.path("empty.json")}, "empty.json: empty"},
      {{folder.path("broken.json")}, "broken.json:3:1: not JSON"},
      {{"vit_base_patch32", "--set", "depht=3"},
       "--set depht: unknown field of architecture 'vit'; did you mean 'depth'?"},
      {{"vit_base_patch32", "--set", "depth=many"},
       "--set depth: expected an integer, got \"many\""},
      {{"vit_base_patch32", "--img-size", "225"},
       "with --img-size: /img_size: height 225 is not divisible by the patch height 32"},
      {{""}, "the model's name is empty"},
  };
  for (const auto& fault : faults) {
    CAPTURE(fault.message);
    std::vector<std::string> arguments = {"summary"};
    arguments.insert(arguments.end(), fault.arguments.begin(), fault.arguments.end());
    const auto result = run(arguments);
    CAPTURE(result.err);
    CHECK(result.exit_code == 1);
    CHECK(result.out.empty());
    CHECK(result.err.find(fault.message) != std::string::npos);
  }
}

TEST_CASE("-o writes the same as standard output, whole or not at all") {
  const TemporaryFolder folder;
  const auto path = folder.path("summary.txt");
  const auto direct = run({"summary", "vit_base_patch32"});
  const auto written = run({"summary", "vit_base_patch32", "-o", path});
  CHECK(written.exit_code == 0);
  CHECK(written.out.empty());
  std::ifstream file(path);
  CHECK(std::string(std::istreambuf_iterator<char>(file), {}) == direct.out);

  const auto refused = run({"summary", "vit_base_patch32", "-o", folder.path("no/where.txt")});
  CHECK(refused.exit_code == 1);
  CHECK(refused.err.find("cannot be written") != std::string::npos);
}

TEST_CASE("help and version answer on standard output") {
  CHECK(run({"--version"}).out.starts_with("vitals "));
  CHECK(run({"--help"}).out.find("summary") != std::string::npos);
  CHECK(run({"summary", "--help"}).out.find("--num-classes") != std::string::npos);
  CHECK(run({"--help"}).exit_code == 0);
  for (const char* command : {"summary", "bench", "run", "devices", "manual"}) {
    CAPTURE(command);
    CHECK(run({command, "--version"}).exit_code == 0);
    CHECK(run({command, "--version"}).out == run({"--version"}).out);
  }
}

TEST_CASE("overrides are what the spec says they are") {
  const auto params = [](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "summary");
    arguments.insert(arguments.end(), {"--format", "json"});
    return test::parsed(run(arguments).out)["totals"]["params"].get<std::uint64_t>();
  };
  // The 384 pixel model differs from the 224 one in its position embedding alone.
  CHECK(params({"vit_base_patch16_224", "--img-size", "384"}) == 86859496);
  CHECK(params({"vit_base_patch16_224", "--img-size", "384x384"}) == 86859496);
  CHECK(params({"vit_base_patch16_224", "--num-classes", "5"}) == 85802501);
  CHECK(params({"vit_base_patch16_224", "--num-classes", "5", "--set", "num_classes=1000"}) ==
        86567656);
  CHECK(params({"vit_base_patch16_224", "--in-chans", "1"}) == 86567656 - 2 * 16 * 16 * 768);
  CHECK(params({"vit_base_patch16_224", "--set", "norm_layer=RmsNorm"}) == 86567656 - 25 * 768);
}

TEST_CASE("every format carries the same numbers") {
  const auto summary = test::parsed(run({"summary", "vit_base_patch32", "--format", "json"}).out);
  const auto csv = run({"summary", "vit_base_patch32", "--format", "csv"}).out;
  const auto markdown = run({"summary", "vit_base_patch32", "--format", "markdown"}).out;
  std::uint64_t params = 0;
  std::uint64_t macs = 0;
  for (const auto& layer : summary["layers"]) {
    params += layer["params"].get<std::uint64_t>();
    macs += layer["macs"].get<std::uint64_t>();
    const auto numbers = test::dumped(layer["params"]) + "," + test::dumped(layer["macs"]) + "\n";
    CHECK(csv.find(numbers) != std::string::npos);
    CHECK(markdown.find("| " + test::dumped(layer["params"]) + " | " + test::dumped(layer["macs"]) +
                        " |") != std::string::npos);
  }
  CHECK(params == summary["totals"]["params"]);
  CHECK(macs == summary["totals"]["macs"]);
  std::uint64_t children = 0;
  for (const auto& child : summary["params_by_child"]) children += child.get<std::uint64_t>();
  CHECK(children == summary["totals"]["params"]);
}

TEST_CASE("--exact shows all digits") {
  const auto tree = run({"summary", "vit_base_patch32", "--style", "tree", "--exact"}).out;
  CHECK(tree.find("4,409,186,304") != std::string::npos);
  CHECK(tree.find("4.41 G") == std::string::npos);
  const auto memory = run({"memory", "vit_base_patch16_224", "--exact"}).out;
  CHECK(memory.find("346,270,624 B") != std::string::npos);
}

TEST_CASE("a tree's figures sum to their parents, folded or not") {
  const auto folded = run({"summary", "vit_base_patch32", "--style", "tree"}).out;
  const auto unfolded = run({"summary", "vit_base_patch32", "--style", "tree", "--no-fold"}).out;
  CHECK(folded.find("0-11 (12x)") != std::string::npos);
  CHECK(unfolded.find("(12x)") == std::string::npos);
  const auto shallow = run({"summary", "vit_base_patch32", "--style", "tree", "--depth", "1"}).out;
  CHECK(shallow.find("blocks") != std::string::npos);
  CHECK(shallow.find("0-11") == std::string::npos);
}

TEST_CASE("options may stand before the model and behind it") {
  const auto out = [](const std::vector<std::string>& arguments) { return run(arguments).out; };
  const auto behind = out({"summary", "vit_tiny_patch16_224", "--batch", "2", "--set", "depth=3"});
  REQUIRE_FALSE(behind.empty());
  CHECK(out({"summary", "--batch", "2", "vit_tiny_patch16_224", "--set", "depth=3"}) == behind);
  CHECK(out({"summary", "--set", "depth=3", "vit_tiny_patch16_224", "--batch", "2"}) == behind);
  CHECK(out({"summary", "--batch=2", "--set=depth=3", "vit_tiny_patch16_224"}) == behind);
  const std::string first = "vit_tiny_patch16_224";
  const std::string second = "vit_small_patch16_224";
  const auto compared = out({"compare", first, second, "--depth", "2"});
  REQUIRE_FALSE(compared.empty());
  CHECK(out({"compare", "--depth", "2", first, second}) == compared);
  CHECK(out({"compare", first, "--depth", "2", second}) == compared);
}

TEST_CASE("what is missing is said in the words of the help") {
  const auto message = [](const std::vector<std::string>& arguments) {
    const auto answer = run(arguments);
    CHECK(answer.exit_code == 2);
    return answer.err.substr(0, answer.err.find('\n'));
  };
  CHECK(message({"summary"}) == "vitals summary: MODEL is required");
  CHECK(message({"compare", "vit_base_patch32"}) == "vitals compare: 2 MODELs are required");
  CHECK(message({"memory", "vit_base_patch32", "--fit"}) ==
        "vitals memory: --fit needs a value: SIZE|DEVICE");
  CHECK(message({"flops", "vit_base_patch32", "-o"}) ==
        "vitals flops: --output needs a value: FILE");
  CHECK(message({"flops", "vit_base_patch32", "--format", "csv", "--format", "json"}) ==
        "vitals flops: --format is given more than once");
}

TEST_CASE("a misspelt command or option is answered with the name that was meant") {
  const auto message = [](const std::vector<std::string>& arguments) { return run(arguments).err; };
  CHECK(message({"sumary", "x"})
            .starts_with("vitals: there is no command 'sumary'; did you mean 'summary'?"));
  CHECK(message({"summary", "vit_base_patch32", "--bacth", "3"})
            .starts_with("vitals summary: there is no option '--bacth'; did you mean '--batch'?"));
  CHECK(message({"summary", "vit_base_patch32", "--format", "jsn"})
            .starts_with(
                "vitals summary: --format: there is no 'jsn'; did you mean 'json' or 'csv'?"));
}

TEST_CASE("an option that there is not is named, wherever it stands") {
  const auto message = [](const std::vector<std::string>& arguments) {
    const auto answer = run(arguments);
    CHECK(answer.exit_code == 2);
    return answer.err.substr(0, answer.err.find('\n'));
  };
  CHECK(message({"-v"}) == "vitals: there is no option '-v'; did you mean '--version'?");
  CHECK(message({"--Version"}) ==
        "vitals: there is no option '--Version'; did you mean '--version'?");
  CHECK(message({"summary", "vit_base_patch32", "-z"}) ==
        "vitals summary: there is no option '-z'");
  CHECK(message({"summary", "vit_base_patch32", "-b", "8"}) ==
        "vitals summary: there is no option '-b'; did you mean '--batch'?");
}

TEST_CASE("a count beyond its limit is told the limit") {
  const auto result = run({"summary", "vit_base_patch32", "--batch", "9223372036854775807"});
  CHECK(result.exit_code == 2);
  CHECK(test::says(result.err, "no whole number from 1 to 1099511627776"));
}

TEST_CASE("standard input is read once, and - names standard output") {
  const std::string spec = R"({"name": "mine", "base": "vit_tiny_patch16_224", "depth": 1})";
  const auto twice = run({"compare", "-", "-"}, spec);
  CHECK(twice.exit_code == 2);
  CHECK(test::says(twice.err, "- is standard input, which can be read once"));
  CHECK(run({"bench", "-", "-"}, spec).exit_code == 2);
  CHECK(run({"compare", "-", "vit_tiny_patch16_224"}, spec).exit_code == 0);

  CHECK(run({"spec", "vit_base_patch32", "-o", "-"}).out == run({"spec", "vit_base_patch32"}).out);
  const auto unnamed = run({"spec", "vit_base_patch32", "-o", ""});
  CHECK(unnamed.exit_code == 2);
  CHECK(test::says(unnamed.err, "the file's name is empty"));
}

TEST_CASE("a place that cannot be written to is said before anything is computed") {
  const auto early = run({"bench", "no_such_model", "-o", "/no/such/folder/x"});
  CHECK(early.exit_code == 1);
  CHECK(test::says(early.err, "/no/such/folder/x: cannot be written"));
}

TEST_CASE("tokens are asked of no model of images") {
  for (const char* command : {"summary", "flops", "memory", "bench", "report"}) {
    CAPTURE(command);
    const auto result = run({command, "vit_base_patch32", "--seq-len", "7"});
    CHECK(result.exit_code == 1);
    CHECK(test::says(result.err, "--seq-len: vit_base_patch32_224 reads images"));
  }
}

TEST_CASE("an option that would change nothing is refused") {
  using Words = std::vector<std::string>;
  const std::string vit = "vit_tiny_patch16_224";
  const std::string other = "vit_small_patch16_224";
  std::vector<std::pair<Words, std::string>> cases = {
      {{"list", "--exact"}, "there is no option '--exact'"},
      {{"devices", "--exact"}, "there is no option '--exact'"},
      {{"list", "--names", "--format", "json"}, "--format changes nothing beside --names"},
      {{"list", "--names", "--device", "t4"}, "--device changes no --names"},
      {{"spec", vit, "--batch", "2"}, "there is no option '--batch'"},
      {{"spec", "gpt2", "--seq-len", "2"}, "there is no option '--seq-len'"},
      {{"spec", vit, "--schema"}, "MODEL changes nothing beside --schema"},
      {{"spec", "--schema", "--set", "depth=1"}, "--set changes nothing beside --schema"},
      {{"flops", "gpt2", "--explain", ".", "--tokens", "3B"}, "--tokens changes nothing"},
      {{"flops", "gpt2", "--explain", ".", "--new-tokens", "3"}, "--new-tokens changes nothing"},
      {{"flops", vit, "--explain", ".", "--depth", "1"}, "--depth changes nothing"},
      {{"flops", "gpt2", "--convention", "macs", "--new-tokens", "3"},
       "--new-tokens changes nothing"},
      {{"flops", vit, "--convention", "fvcore", "--checkpoint", "block"},
       "--checkpoint changes nothing"},
      {{"flops", vit, "--convention", "all", "--depth", "1"}, "--depth changes nothing"},
      {{"flops", vit, "--convention", "all", "--no-fold"}, "--no-fold changes nothing"},
      {{"flops", "gpt2", "--tokens", "1.5"}, "no whole number of tokens"},
      {{"memory", vit, "--explain", ".", "--timeline"}, "--timeline changes nothing"},
      {{"memory", vit, "--explain", ".", "--tp", "3"}, "--tp changes nothing"},
      {{"memory", vit, "--explain", ".", "--depth", "1"}, "--depth changes nothing"},
      {{"memory", vit, "--explain", ".", "--allocator"}, "--allocator changes nothing"},
      {{"summary", vit, "--depth", "1"}, "--depth is for --style tree"},
      {{"summary", vit, "--style", "torchsummary", "--no-fold"}, "--no-fold is for --style tree"},
      {{"summary", vit, "--exact"}, "--exact is for --style tree"},
      {{"summary", vit, "--details"}, "--details is for --style tree"},
      {{"predict", vit, "--device", "t4", "--batch", "1,2", "--depth", "1"},
       "--depth is for one --batch"},
  };
  for (const auto& option :
       {Words{"--compiled"}, Words{"--channels-last"}, Words{"--attention", "eager"},
        Words{"--pytorch", "2.4"}, Words{"--mode", "training"}, Words{"--precision", "amp"},
        Words{"--device-file", "x.json"}})
    for (Words words : {Words{"list"}, Words{"compare", vit, other}}) {
      words.insert(words.end(), option.begin(), option.end());
      cases.emplace_back(words, option.front() + " requires --device");
    }
  for (const auto& refused : cases) {
    const auto& message = refused.second;
    CAPTURE(message);
    const auto result = run(refused.first);
    CAPTURE(result.err);
    CHECK(result.exit_code == 2);
    CHECK(result.out.empty());
    CHECK(test::says(result.err, message));
  }
  const auto told =
      run({"memory", vit, "--mode", "inference", "--freeze", "head", "--dp", "2", "--zero", "1"});
  CHECK(told.exit_code == 0);
  CHECK(test::says(told.err, "--freeze, --zero below 3 changes nothing"));
}

TEST_CASE("the example of --fail-if is one that the command takes") {
  const std::map<std::string, std::string> examples = {{"predict", "'latency > 20ms'"},
                                                       {"memory", "'memory > 16GiB'"},
                                                       {"summary", "'params > 90M'"}};
  for (const auto& example : examples) {
    CAPTURE(example.first);
    auto help = run({example.first, "--help"}).out;
    std::replace(help.begin(), help.end(), '\n', ' ');
    CHECK(test::says(help, example.second));
  }
}
