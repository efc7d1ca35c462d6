// Text for terminals: folded to their width, with bars and colours, and nothing of that in files,
// pipes and the formats for programs.
#include "report/text/wrap.h"
#include "support/run.h"

#include <doctest/doctest.h>

#include <array>
#include <map>
#include <regex>
#include <sstream>

namespace vitals::test {
namespace {

using Arguments = std::vector<std::string>;

const Arguments kModels = {"vit_base_patch16_224",
                           "deit_base_distilled_patch16_384",
                           "swin_large_patch4_window12_384",
                           "eva02_tiny_patch14_336",
                           "mixer_b16_224",
                           "llama-3-8b",
                           "bert-base-uncased"};

std::vector<Arguments> commands() {
  std::vector<Arguments> all;
  // Each model in one of the commands, and the first in all of them.
  const Arguments about_model[] = {{"summary", "", "--style", "tree"},
                                   {"flops", ""},
                                   {"memory", "", "--batch", "4", "--timeline"}};
  const auto ask = [&](const Arguments& question, const std::string& model) {
    all.push_back(question);
    all.back()[1] = model;
  };
  for (std::size_t i = 0; i < kModels.size(); ++i) ask(about_model[i % 3], kModels[i]);
  for (const auto i : {1, 2}) ask(about_model[i], kModels[0]);
  for (const char* path : {"blocks.0.attn", "."}) {
    all.push_back({"flops", kModels[0], "--explain", path});
    all.push_back({"memory", kModels[0], "--explain", path});
  }
  all.push_back({"flops", kModels[0], "--convention", "all"});
  all.push_back({"memory", "llama-3-8b", "--mode", "inference", "--quantize", "Q4_K_M"});
  all.push_back({"memory", kModels[0], "--fit", "rtx3090"});
  all.push_back({"predict", kModels[0], "--device", "rtx4090"});
  all.push_back({"predict", kModels[0], "--device", "rtx4090", "--batch", "1,8,64"});
  all.push_back({"compare", kModels[0], "vit_large_patch32_384", "vit_tiny_patch16_224"});
  all.push_back({"list", "vit_huge*", "--device", "rtx4090"});
  all.push_back({"devices"});
  return all;
}

std::string words(const Arguments& arguments) {
  std::string text;
  for (const auto& a : arguments) text += a + " ";
  return text;
}

Arguments with(Arguments arguments, std::initializer_list<std::string> more) {
  arguments.insert(arguments.end(), more);
  return arguments;
}

std::string without_escapes(const std::string& text) {
  return std::regex_replace(text, std::regex("\x1B\\[[0-9;]*m"), "");
}

std::size_t widest(const std::string& text) {
  std::size_t most = 0;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) most = std::max(most, columns_of(line));
  return most;
}

// How often each number stands in a text: digits with their commas and points, between blanks.
std::map<std::string, int> numbers(const std::string& text) {
  std::map<std::string, int> count;
  std::istringstream in(text);
  for (std::string word; in >> word;)
    if (word.find_first_not_of("0123456789.,+x%") == std::string::npos) ++count[word];
  return count;
}

// How often each character stands in it, but for blanks and the rules of tables; the chart of
// --timeline is drawn anew for every width.
std::array<long, 256> characters(const std::string& text) {
  std::array<long, 256> count{};
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);)
    if (line.find("\xE2\x94") == std::string::npos)  // box drawing: the chart's axes
      for (const char c : line)
        if (c != ' ' && c != '-') ++count[static_cast<unsigned char>(c)];
  return count;
}

doctest::skip needs_terminal() { return doctest::skip(!has_terminals()); }

TEST_CASE("no line is wider than --width, and nothing is missing") {
  for (const auto& arguments : commands()) {
    CAPTURE(words(arguments));
    const auto whole = run(with(arguments, {"--width", "0"}));
    REQUIRE(whole.exit_code == 0);
    const auto all_numbers = numbers(whole.out);
    const auto all_characters = characters(whole.out);
    for (const char* width : {"60", "80", "120"}) {
      CAPTURE(width);
      const auto folded = run(with(arguments, {"--width", width}));
      REQUIRE(folded.exit_code == 0);
      CHECK(widest(folded.out) <= std::stoul(width));
      auto found = numbers(folded.out);
      std::string missing;
      for (const auto& [number, times] : all_numbers)
        if (found[number] < times) missing += number + " ";
      CHECK(missing == "");
      const auto left = characters(folded.out);
      for (std::size_t c = 0; c < left.size(); ++c)
        if (left[c] < all_characters[c]) FAIL_CHECK("lost: character " << c);
    }
  }
}

TEST_CASE("files, pipes and the formats for programs have no width") {
  const Arguments flops = {"flops", kModels[0]};
  CHECK(run(flops).out == run(with(flops, {"--width", "0"})).out);
  for (const char* format : {"json", "csv", "markdown"})
    CHECK(run(with(flops, {"--format", format, "--width", "60", "--color", "always"})).out ==
          run(with(flops, {"--format", format})).out);
  // torchsummary's table is what torchsummary prints, however narrow the terminal is.
  const Arguments layers = {"summary", kModels[0]};
  const auto table = run(layers).out;
  const auto end = table.rfind("---\n");
  CHECK(run(with(layers, {"--width", "40"})).out.substr(0, end) == table.substr(0, end));
}

TEST_CASE("a terminal's width counts, and COLUMNS before it" * needs_terminal()) {
  const Arguments flops = {"flops", kModels[0], "--color", "never"};
  for (const auto columns : std::initializer_list<unsigned short>{64, 80, 132})
    CHECK(run_on_terminal(flops, columns).out ==
          run(with(flops, {"--width", std::to_string(columns)})).out);
  CHECK(run_on_terminal(flops, 132, {"COLUMNS=70"}).out == run(with(flops, {"--width", "70"})).out);
  CHECK(run_on_terminal(flops, 132, {"COLUMNS=wide"}).out ==
        run(with(flops, {"--width", "132"})).out);
  CHECK(run_on_terminal(flops, 0).out == run(flops).out);  // a terminal that does not know
  CHECK(run_on_terminal(with(flops, {"--width", "0"}), 80).out == run(flops).out);
  CHECK(run_on_terminal(flops, 20).out == run(with(flops, {"--width", "40"})).out);
}

TEST_CASE("bars and colours are for terminals, and bars for UTF-8" * needs_terminal()) {
  const Arguments tree = {"summary", kModels[0], "--style", "tree"};
  const std::string bar = "\xE2\x96\x88";  // a full block
  const auto plain = run(tree).out;
  CHECK(plain.find(bar) == std::string::npos);
  const auto shown = run_on_terminal(tree, 120).out;
  CHECK(shown.find(bar) != std::string::npos);
  CHECK(shown.find("\x1B[") != std::string::npos);
  CHECK(widest(without_escapes(shown)) <= 120);
  const auto no_colour = run_on_terminal(tree, 120, {"NO_COLOR=1"}).out;
  CHECK(no_colour == without_escapes(shown));
  CHECK(run_on_terminal(tree, 200, {"LC_ALL=C", "NO_COLOR=1"}).out == plain);
  CHECK(run_on_terminal(with(tree, {"--color", "never"}), 200).out == plain);
}

TEST_CASE("messages fit a terminal, too" * needs_terminal()) {
  const Arguments wrong = {"memory",       kModels[0], "--mode",          "inference",
                           "--optimizer",  "sgd",      "--loss",          "none",
                           "--checkpoint", "block",    "--keep-gradients"};
  const auto piped = run(wrong);
  CHECK(widest(piped.err) > 80);
  const auto shown = run_on_terminal(with(wrong, {"--color", "never"}), 80, {}, true).out;
  CHECK(shown.starts_with("vitals: inference trains nothing: "));
  CHECK(widest(shown) <= 80);
}

TEST_CASE("the memory of a training step has its outline on a terminal" * needs_terminal()) {
  const Arguments memory = {"memory", kModels[0], "--details"};
  const std::string axis = "└ forward ─";
  CHECK(run(memory).out.find(axis) == std::string::npos);
  const auto shown = run_on_terminal(memory, 72).out;
  CHECK(shown.find(axis) != std::string::npos);
  CHECK(widest(without_escapes(shown)) <= 72);
  CHECK(widest(without_escapes(run_on_terminal(memory, 40).out)) <= 40);
  CHECK(run_on_terminal(memory, 72, {"LC_ALL=C"}).out.find(axis) == std::string::npos);
  CHECK(run_on_terminal(with(memory, {"--mode", "inference"}), 72).out.find(axis) ==
        std::string::npos);
}

TEST_CASE("help fits a terminal, and its examples can be pasted" * needs_terminal()) {
  for (const char* command : {"summary", "flops", "memory", "bench", "run", "predict", "report",
                              "compare", "list", "devices", "spec", "completions", "manual"}) {
    CAPTURE(command);
    const auto help = run_on_terminal({command, "--help"}, 80);
    CHECK(help.exit_code == 0);
    CHECK(widest(help.out) <= 80);
    CHECK(help.out.find(std::string("Usage: vitals ") + command) != std::string::npos);
  }
  const auto memory = run_on_terminal({"memory", "--help"}, 80).out;
  CHECK(memory.find("--seq-len 4096 \\\n      --new-tokens 512\n") != std::string::npos);
  CHECK(memory.find("\nRecipe:\n  --mode NAME ") != std::string::npos);
  const auto all = run_on_terminal({"--help"}, 60);
  CHECK(widest(all.out) <= 60);
  CHECK(all.out.find("--version") != std::string::npos);
  const auto nothing = run({});
  CHECK(nothing.exit_code == 2);
  CHECK(nothing.err.find("Usage: vitals COMMAND") != std::string::npos);
}

TEST_CASE("a width that no table fits is refused") {
  for (const char* width : {"39", "-1", "wide", "1000000"})
    CHECK(run({"devices", "--width", width}).exit_code == 2);
  CHECK(run({"devices", "--width", "20"}).err.find("40 are the least") != std::string::npos);
}

}  // namespace
}  // namespace vitals::test
