// `vitals plan MODEL`: one table over the devices, which says what `memory --fit` and `predict` say
// of each.
#include "support/json.h"
#include "support/run.h"
#include "support/temporary_folder.h"

#include <doctest/doctest.h>

#include <fstream>
#include <string>
#include <vector>

using nlohmann::json;
namespace test = vitals::test;

namespace {

using Words = std::vector<std::string>;

json plan_answer(Words words) {
  words.insert(words.end(), {"--format", "json"});
  const auto r = test::run(words);
  CAPTURE(r.err);
  REQUIRE(r.exit_code == 0);
  return test::parsed(r.out);
}

json row_of(const json& plan, const std::string& device) {
  for (const auto& row : plan["devices"])
    if (row["device"] == device) return row;
  FAIL("no row of " << device);
  return {};
}

}  // namespace

TEST_CASE("the table of devices has the batches of --fit and the speeds of predict") {
  const std::string vit = "vit_small_patch16_224";
  for (const char* mode : {"training", "inference"}) {
    CAPTURE(mode);
    const auto plan = plan_answer({"plan", vit, "--mode", mode, "--device", "rtx4090,t4,m2"});
    REQUIRE(plan["devices"].size() == 3);
    for (const char* device : {"rtx4090", "t4"}) {
      CAPTURE(device);
      const auto row = row_of(plan, device);
      const auto fit = plan_answer({"memory", vit, "--mode", mode, "--fit", device});
      CHECK(row["largest_batch"] == fit["fit"]["batch"]);
      CHECK(row["fits"] == true);
      const auto at = row["batch"].get<int>();
      const auto predicted = plan_answer(
          {"predict", vit, "--mode", mode, "--device", device, "--batch", std::to_string(at)});
      CHECK(row["samples_per_s"].get<double>() ==
            doctest::Approx(predicted["samples_per_s"].get<double>()));
    }
    // The fastest first.
    for (std::size_t i = 1; i < 3; ++i)
      CHECK(plan["devices"][i - 1]["samples_per_s"] >= plan["devices"][i]["samples_per_s"]);
  }
}

TEST_CASE("without --device the table goes over every GPU that is known") {
  const auto plan = plan_answer({"plan", "vit_tiny_patch16_224"});
  CHECK(plan["devices"].size() > 30);
  for (const auto& row : plan["devices"]) {
    CAPTURE(row.dump());
    CHECK_FALSE(row.contains("error"));
    CHECK(row["range"][0] <= row["samples_per_s"]);
    CHECK(row["samples_per_s"] <= row["range"][1]);
  }
}

TEST_CASE("served streams are those of predict --mode serve, and prices order the table") {
  const Words base = {"plan",     "llama-3.1-8b", "--mode",      "serve",
                      "--device", "h100,l4,t4",   "--input-len", "512"};
  auto priced = base;
  priced.insert(priced.end(), {"--price", "h100=3", "--price", "l4=0.1"});
  const auto plan = plan_answer(priced);
  const auto h100 = row_of(plan, "h100");
  CHECK(plan["devices"][0]["device"] == "l4");
  CHECK(h100["usd_per_million"].get<double>() ==
        doctest::Approx(3.0 / 3600 / h100["tokens_per_s"].get<double>() * 1e6));
  const auto l4 = row_of(plan, "l4");
  const auto predicted =
      plan_answer({"predict", "llama-3.1-8b", "--mode", "serve", "--device", "l4", "--input-len",
                   "512", "--concurrency", std::to_string(l4["largest_concurrency"].get<int>())});
  CHECK(predicted["fits"] == true);
  const auto more = plan_answer({"predict", "llama-3.1-8b", "--mode", "serve", "--device", "l4",
                                 "--input-len", "512", "--concurrency",
                                 std::to_string(l4["largest_concurrency"].get<int>() + 1)});
  CHECK(more["fits"] == false);
  CHECK(predicted["tokens_per_s"].get<double>() ==
        doctest::Approx(l4["tokens_per_s"].get<double>()));
  // 16 bits of 8 billion parameters are nearly all that a T4 has.
  CHECK(row_of(plan, "t4")["fits"] == false);

  const test::TemporaryFolder folder;
  const auto list = folder.path("prices.csv");
  std::ofstream(list) << "name,usd\nh100,0.01\n";
  auto from_file = base;
  from_file.insert(from_file.end(), {"--price", list});
  CHECK(plan_answer(from_file)["devices"][0]["device"] == "h100");
}

TEST_CASE("what --emit writes is what --from prices, and the best that a launcher has words for") {
  const Words base = {"plan", "llama-3-8b", "--gpus", "16xh100", "--seq-len", "4096"};
  const test::TemporaryFolder folder;
  for (const char* launcher :
       {"torchtitan", "megatron", "megatron-bridge", "deepspeed", "accelerate", "nanotron"}) {
    CAPTURE(launcher);
    const auto file = folder.path(launcher);
    auto write = base;
    write.insert(write.end(), {"--emit", launcher, "-o", file});
    REQUIRE(test::run(write).exit_code == 0);
    auto read = base;
    read.insert(read.end(), {"--from", std::string(launcher) + "=" + file});
    const auto layout = plan_answer(read)["layouts"][0];
    CHECK(layout["gpus"] == 16);
    CHECK(layout["fits"] == true);
    const auto stated = [&](const char* key) { return layout[key].dump(); };
    auto priced = base;
    priced.insert(priced.end(),
                  {"--layout", "dp=" + stated("dp") + ",tp=" + stated("tp") +
                                   ",pp=" + stated("pp") + ",zero=" + stated("zero") +
                                   ",sp=" + stated("sp") + ",micro_batch=" + stated("micro_batch") +
                                   ",micro_batches=" + stated("micro_batches") +
                                   ",recompute=" + layout["recompute"].get<std::string>()});
    CHECK(plan_answer(priced)["layouts"][0]["step_ms"] == layout["step_ms"]);
  }
}

TEST_CASE("faults of stated layouts") {
  const auto refused = [](Words words, const char* message) {
    words.insert(words.begin(), {"plan", "gpt2", "--gpus", "8xh100"});
    const auto r = test::run(words);
    CAPTURE(message);
    CAPTURE(r.err);
    CHECK(r.exit_code == 1);
    CHECK(r.out.empty());
    CHECK(test::says(r.err, message));
  };
  refused({"--layout", "dp=4"}, "dp x tp x pp x cp is 4, but --gpus has 8");
  refused({"--layout", "dq=8"}, "unknown degree 'dq'; did you mean 'dp'");
  refused({"--layout", "dp=8,zero=4"}, "'4' is no whole number from 0 to 3");
  refused({"--layout", "dp=8,recompute=all"}, "'all' is none of none, selective, full");
  refused({"--from", "run.toml"}, "expected LAUNCHER=FILE");
}

TEST_CASE("faults of the table of devices") {
  const auto refused = [](const Words& words, int code, const char* message) {
    const auto r = test::run(words);
    CAPTURE(message);
    CAPTURE(r.err);
    CHECK(r.exit_code == code);
    CHECK(r.out.empty());
    CHECK(test::says(r.err, message));
  };
  refused({"plan", "gpt2", "--device", "h100,nope"}, 2, "unknown device 'nope'");
  refused({"plan", "gpt2", "--price", "h100=free"}, 1, "'free' is no price in US dollars an hour");
  refused({"plan", "gpt2", "--gpus", "8xh100", "--price", "h100=2"}, 2, "leave out --gpus");
  refused({"plan", "gpt2", "--top", "3"}, 2, "--top is for many GPUs");
  refused({"plan", "vit_tiny_patch16_224", "--mode", "serve"}, 1,
          "--mode serve is for models that generate text");
}
