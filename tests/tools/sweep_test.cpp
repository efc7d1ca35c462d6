// `vitals sweep`: its rows say what the other commands say, a broken run goes on, shards merge.
#include "support/json.h"
#include "support/run.h"
#include "support/temporary_folder.h"

#include <doctest/doctest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

using nlohmann::json;
namespace test = vitals::test;

namespace {

using Words = std::vector<std::string>;

const char* const kGrid = R"({"base": "vit_tiny_patch16_224",
  "grid": {"depth": [2, 3], "embed_dim": [192, 194, 384]},
  "options": {"batch": [1, 4]},
  "figures": ["params", "macs", "memory", "latency@rtx4090"]})";

void write_text(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

std::string text_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::vector<json> lines_of(const std::string& text) {
  std::vector<json> rows;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) rows.push_back(test::parsed(line));
  return rows;
}

json answer_to(Words words) {
  words.insert(words.end(), {"--format", "json"});
  const auto r = test::run(words);
  REQUIRE(r.exit_code == 0);
  return test::parsed(r.out);
}

}  // namespace

TEST_CASE("a sweep's rows have the figures of summary, memory and predict") {
  const auto r = test::run({"sweep", "-", "--format", "jsonl"}, kGrid);
  REQUIRE(r.exit_code == 0);
  const auto rows = lines_of(r.out);
  REQUIRE(rows.size() == 12);
  const auto& row = rows[7];  // depth 3, embed_dim 192, batch 4
  CHECK(row["depth"] == 3);
  CHECK(row["embed_dim"] == 192);
  CHECK(row["batch"] == 4);
  const Words model = {"vit_tiny_patch16_224", "--set",   "depth=3", "--set",
                       "embed_dim=192",        "--batch", "4"};
  const auto with = [&](const char* command, const Words& more) {
    Words words = {command};
    words.insert(words.end(), model.begin(), model.end());
    words.insert(words.end(), more.begin(), more.end());
    return answer_to(words);
  };
  const auto summary = with("summary", {});
  CHECK(row["params"] == summary["totals"]["params"]);
  CHECK(row["macs"] == summary["totals"]["macs"]);
  CHECK(row["memory"] == with("memory", {})["peak"]["bytes"]);
  CHECK(row["latency@rtx4090"].get<double>() ==
        doctest::Approx(with("predict", {"--device", "rtx4090"})["step_ms"].get<double>() / 1e3)
            .epsilon(1e-4));
  // 194 is not divisible by 3 heads: the row says so, and the others are there.
  CHECK(rows[2]["embed_dim"] == 194);
  CHECK(rows[2]["params"].is_null());
  CHECK(test::says(rows[2]["error"].get<std::string>(), "194"));
  CHECK(test::says(r.err, "4 of 12 points have no figures"));
  CHECK(test::run({"sweep", "-", "--format", "jsonl", "--jobs", "1"}, kGrid).out == r.out);
}

TEST_CASE("YAML says the same as JSON, and its faults have a place") {
  const auto yaml = R"(# designs
base: vit_tiny_patch16_224
grid:
  depth: [2, 3]
  embed_dim: [192, 194, 384]
options: {batch: [1, 4]}
figures: [params, macs, memory, latency@rtx4090]
)";
  const auto r = test::run({"sweep", "-"}, yaml);
  if (test::says(r.err, "was built without yaml-cpp")) return;
  CHECK(r.out == test::run({"sweep", "-"}, kGrid).out);
  const auto fault = [](const std::string& text) {
    const auto bad = test::run({"sweep", "-"}, text);
    CHECK(bad.exit_code == 1);
    CHECK(bad.out.empty());
    return bad.err;
  };
  const std::string head = "base: vit_tiny_patch16_224\nfigures: [params]\n";
  CHECK(test::says(fault(head + "grid: {depth: [1, 2\n"), "line "));
  CHECK(test::says(fault(head + "grid:\n  dept: [1]\n"), "line 4, column 3"));
  CHECK(test::says(fault(head + "grid:\n  depth: [1]\n  depth: [2]\n"), "twice"));
  CHECK(test::says(fault(head + "options:\n  mode: [trainin]\n"), "line 4, column 3"));
  CHECK(test::says(fault("base: vit_tiny_patch16_224\nfigures: [param]\n"), "did you mean"));
  CHECK(test::says(fault(head + "colour: red\n"), "unknown key 'colour'"));
  CHECK(test::says(fault(head + "grid: {depth: &a [*a]}\n"), "standard input"));
}

TEST_CASE("a grid that is too large is refused with its count") {
  std::string values = "[1";
  for (int i = 2; i <= 1000; ++i) values += "," + std::to_string(i);
  values += "]";
  const auto r =
      test::run({"sweep", "-"}, R"({"base": "vit_tiny_patch16_224", "figures": ["params"],
    "grid": {"depth": )" + values + R"(, "embed_dim": )" +
                                    values + R"(, "num_classes": )" + values + "}}");
  CHECK(r.exit_code == 1);
  CHECK(r.out.empty());
  CHECK(test::says(r.err, "1,000,000,000 points"));
}

TEST_CASE("a broken run goes on where it ended") {
  const test::TemporaryFolder folder;
  const auto grid = folder.write("grid.json", kGrid);
  for (const char* name : {"all.csv", "all.jsonl"}) {
    const auto file = folder.path(name);
    REQUIRE(test::run({"sweep", grid, "-o", file}).exit_code == 0);
    const auto whole = text_of(file);
    for (const std::size_t cut :
         {std::size_t{0}, std::size_t{3}, whole.size() / 2, whole.size() - 1, whole.size()}) {
      write_text(file, whole.substr(0, cut));
      CHECK(test::run({"sweep", grid, "-o", file}).exit_code == 0);
      CHECK(text_of(file) == whole);
    }
    write_text(file, "something else\nof mine\n");
    const auto r = test::run({"sweep", grid, "-o", file});
    CHECK(r.exit_code == 1);
    CHECK(text_of(file) == "something else\nof mine\n");
  }
}

TEST_CASE("shards are merged to the whole") {
  const test::TemporaryFolder folder;
  const auto grid = folder.write("grid.json", kGrid);
  Words merge = {"sweep", grid};
  for (const char* k : {"3", "1", "2"}) {
    merge.push_back(folder.path(std::string("part-") + k + ".csv"));
    REQUIRE(test::run({"sweep", grid, "--shard", std::string(k) + "/3", "-o", merge.back()})
                .exit_code == 0);
  }
  merge.push_back("--merge");
  const auto whole = test::run({"sweep", grid}).out;
  CHECK(test::run(merge).out == whole);
  // Another shard's file is not gone on with; a missing shard is told.
  CHECK(test::run({"sweep", grid, "--shard", "2/3", "-o", merge[2]}).exit_code == 1);
  const auto missing = test::run({"sweep", grid, merge[2], merge[3], "--merge"});
  CHECK(missing.exit_code == 1);
  CHECK(missing.out.empty());
  CHECK(test::says(missing.err, "4 of 12 points are missing"));
}

TEST_CASE("--where and --pareto choose among the points") {
  const auto where =
      test::run({"sweep", "-", "--format", "jsonl", "--where", "params < 2M"}, kGrid);
  REQUIRE(where.exit_code == 0);
  for (const auto& row : lines_of(where.out)) CHECK(row["params"] < 2'000'000);
  CHECK(lines_of(where.out).size() == 4);
  const auto front =
      test::run({"sweep", "-", "--format", "jsonl", "--pareto", "macs,max:params"}, kGrid);
  CHECK(lines_of(front.out).size() == 4);  // batch 1: more parameters cost more; nothing is beaten
  for (const auto& row : lines_of(front.out)) CHECK(row["batch"] == 1);
  CHECK(test::run({"sweep", "-", "--pareto", "mac"}, kGrid).exit_code == 1);
  CHECK(test::run({"sweep", "-", "--where", "param < 1"}, kGrid).exit_code == 1);
}
