// What each command answers in every format: a table of equal rows, JSON, or a sentence that says
// why not. The figures themselves are tested elsewhere.
#include "support/json.h"
#include "support/lines.h"
#include "support/run.h"

#include <doctest/doctest.h>

#include <cctype>
#include <functional>
#include <sstream>

using namespace vitals;
using test::run;

namespace {

const char* const kQuestions[] = {
    "summary vit_tiny_patch16_224",
    "flops vit_tiny_patch16_224",
    "flops vit_tiny_patch16_224 --convention all",
    "flops vit_tiny_patch16_224 --explain blocks.0.attn.qkv",
    "flops vit_tiny_patch16_224 --explain .",
    "flops gpt2 --seq-len 128 --new-tokens 4",
    "flops gpt2 --tokens 3B",
    "memory vit_tiny_patch16_224",
    "memory vit_tiny_patch16_224 --fit 16GiB",
    "memory vit_tiny_patch16_224 --fit t4",
    "memory vit_tiny_patch16_224 --explain blocks.0.attn",
    "memory gpt2 --mode inference --seq-len 128 --new-tokens 8",
    "memory gpt2 --mode inference --quantize int8",
    "memory vit_base_patch16_224 --batch 16 --dp 8 --zero 2",
    "memory vit_base_patch16_224 --batch 16 --tp 2 --sequence-parallel --pp 2 --micro-batches 4",
    "memory vit_base_patch16_224 --checkpoint selective --attention eager --optimizer adafactor",
    "memory vit_base_patch16_224 --checkpoint block --optimizer adamw8bit --precision mixed20",
    "memory vit_base_patch16_224 --explain head --optimizer adamw8bit --precision mixed20",
    "memory vit_base_patch16_224 --explain head --optimizer adafactor",
    "memory vit_base_patch16_224 --explain head.weight --mode inference",
    "predict vit_tiny_patch16_224 --device rtx4090",
    "predict vit_tiny_patch16_224 --device rtx4090 --batch 1,8,64",
    "predict vit_tiny_patch16_224 --device m1 --mode training",
    "compare vit_tiny_patch16_224 vit_small_patch16_224",
    "compare vit_tiny_patch16_224 convnext_tiny",
    "compare vit_tiny_patch16_224 vit_small_patch16_224 --device t4",
    "list vit_tiny*",
    "list *_tiny* --device t4",
    "devices",
};

std::vector<std::string> words(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> result;
  for (std::string word; in >> word;) result.push_back(word);
  return result;
}

test::Result answer(const std::string& question, const std::string& format) {
  auto arguments = words(question);
  arguments.insert(arguments.end(), {"--format", format});
  return run(arguments);
}

// Calls check(result) with what each question is answered in this format.
void for_answers(const std::string& format, const std::function<void(const test::Result&)>& check) {
  for (const std::string question : kQuestions) {
    CAPTURE(question);
    const auto result = answer(question, format);
    CAPTURE(result.err);
    REQUIRE(result.exit_code == 0);
    check(result);
  }
}

// Cells of a line of CSV (RFC 4180).
std::size_t cells_of(const std::string& line) {
  std::size_t cells = 1;
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') quoted = !quoted;
    if (c == ',' && !quoted) ++cells;
  }
  return cells;
}

}  // namespace

TEST_CASE("CSV is one table whose rows have as many cells as its head") {
  for_answers("csv", [](const test::Result& result) {
    const auto lines = test::lines_of(result.out);
    REQUIRE(lines.size() > 1);
    for (const auto& line : lines) {
      CAPTURE(line);
      CHECK(cells_of(line) == cells_of(lines.front()));
    }
  });
}

TEST_CASE("text has a line for everything, and none too many") {
  for_answers("table", [](const test::Result& result) {
    CHECK(test::lines_of(result.out).size() > 2);
    CHECK(result.out.ends_with("\n"));
    CHECK_FALSE(result.out.ends_with("\n\n"));
  });
}

// What a spreadsheet takes for a text: digits in groups, rounded amounts, sentences.
TEST_CASE("CSV holds raw numbers") {
  for_answers("csv", [](const test::Result& result) {
    for (const char* text : {"does not apply", " k,", " M,", " MiB", " GiB"}) {
      CAPTURE(text);
      CHECK_FALSE(test::says(result.out, text));
    }
    for (std::size_t i = 0; i + 4 < result.out.size(); ++i)
      CHECK_FALSE((std::isdigit(result.out[i]) != 0 && result.out[i + 1] == ',' &&
                   result.out[i - (i > 0 ? 1 : 0)] == '"'));
  });
  const auto conventions = answer("flops swin_tiny_patch4_window7_224 --convention all", "csv").out;
  CHECK(test::says(conventions, "convention,count,unit,x_macs\n"));
  CHECK(test::says(conventions, "seed,,FLOPs,\n"));
}

TEST_CASE("memory's answer is in every format") {
  const auto told = test::parsed(
      answer("memory vit_base_patch16_224 --fit 16GiB --tp 2 --freeze head", "json").out);
  const auto csv =
      answer("memory vit_base_patch16_224 --fit 16GiB --tp 2 --freeze head", "csv").out;
  const auto row = [&](const std::string& keys, const nlohmann::json& value) {
    CAPTURE(keys);
    const auto text = value.is_string() ? value.get<std::string>() : test::dumped(value);
    CHECK(test::says(csv, "\n" + keys + "," + text + "\n"));
  };
  CHECK(csv.starts_with("section,name,type,value\n"));
  row("assumed,batch,", told["batch"]);
  row("assumed,precision,", told["precision"]);
  row("trained,frozen.0,", "head");
  row("bytes,weights,", told["bytes"]["weights"]);
  row("bytes,total,", told["bytes"]["total"]);
  row("peak,bytes,", told["peak"]["bytes"]);
  row("per_device,total,", told["per_device"]["total"]);
  row("per_device,tp,", told["per_device"]["tp"]);
  row("fit,batch,", told["fit"]["batch"]);
  row("module_saved,blocks.0.attn.qkv,Linear", told["modules"][9]["saved"]);
  const auto batch = test::dumped(told["fit"]["batch"]);
  const auto page =
      answer("memory vit_base_patch16_224 --fit 16GiB --tp 2 --freeze head --details", "markdown")
          .out;
  for (const auto& words :
       {"batch " + batch + " is the largest", "| batch | " + batch + ",",
        std::string("| frozen | head |"), std::string("| total |"), std::string("| peak |"),
        std::string("| module |"), std::string("| devices | 2: tensor 2 |")}) {
    CAPTURE(words);
    CHECK(test::says(page, words));
  }
}

TEST_CASE("where no batch fits, programs are told what would help") {
  const std::string question = "memory vit_tiny_patch16_224 --fit 20MB";
  const auto failed = answer(question, "json");
  CHECK(failed.exit_code == 3);
  CHECK(test::says(failed.err, "not even the smallest batch fits into 20MB"));
  const auto told = test::parsed(failed.out);
  CHECK(told["batch"].is_null());
  CHECK(told["fit"]["batch"] == 0);
  CHECK(told["fit"]["need"] > told["fit"]["budget"]);
  CHECK_FALSE(told["fit"]["advice"].empty());
  const auto csv = answer(question, "csv");
  CHECK(csv.exit_code == 3);
  CHECK(test::says(csv.out, "\nfit,batch,,0\n"));
  CHECK(test::says(csv.out, "fit,advice.0.change,,'--checkpoint block"));
  const auto markdown = answer(question, "markdown");
  CHECK(markdown.exit_code == 3);
  CHECK(test::says(markdown.out, "| --checkpoint block |"));
}

TEST_CASE("a convention that says nothing of a model is refused in every format") {
  for (const char* format : {"table", "json", "csv", "markdown"}) {
    CAPTURE(format);
    const auto result = answer("flops swin_tiny_patch4_window7_224 --convention seed", format);
    CHECK(result.exit_code == 1);
    CHECK(result.out.empty());
    CHECK(test::says(result.err, "--convention seed: does not apply to swin_tiny"));
  }
}

TEST_CASE("JSON is one value, and Markdown has tables") {
  for_answers("json", [](const test::Result& result) { CHECK(test::is_json(result.out)); });
  for_answers("markdown",
              [](const test::Result& result) { CHECK(test::says(result.out, "|---")); });
}
