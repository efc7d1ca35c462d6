// The original ViT code under torchsummary 1.5.1 wrote tests/data/torchsummary.
#include "report/torchsummary.h"

#include "frontends/spec/spec.h"
#include "support/json.h"
#include "support/run.h"

#include <doctest/doctest.h>

using namespace vitals;
using nlohmann::json;

TEST_CASE("every recorded torchsummary table, byte for byte") {
  const auto index = test::parsed(test::data("torchsummary/index.json"));
  CHECK(index.size() == 23);
  for (const auto& record : index) {
    CAPTURE(record["file"].get<std::string>());
    auto spec = record["args"];
    spec["architecture"] = "vit";
    std::vector<std::string> arguments = {"summary", "-"};
    const auto batch = record["batch_size"].get<int>();
    if (batch > 0) arguments.insert(arguments.end(), {"--batch", std::to_string(batch)});
    const auto result = test::run(arguments, test::dumped(spec));
    CHECK(result.exit_code == 0);
    CHECK(result.err.empty());
    auto expected = test::data("torchsummary/" + record["file"].get<std::string>());
    expected.resize(expected.find_last_of('-') + 2);  // up to and with the last dashed line
    CHECK(result.out.substr(0, expected.size()) == expected);
    const auto ours = result.out.substr(expected.size());
    CHECK(ours.find('\n') == ours.size() - 1);
    CHECK(ours.starts_with("vitals: torchsummary leaves out"));
  }
}

TEST_CASE("the JSON's totals are those of the record") {
  for (const auto& record : test::parsed(test::data("torchsummary/index.json"))) {
    CAPTURE(record["file"].get<std::string>());
    auto spec = record["args"];
    spec["architecture"] = "vit";
    const auto out = test::run({"summary", "-", "--format", "json"}, test::dumped(spec)).out;
    const auto summary = test::parsed(out);
    CHECK(summary["totals"]["params"] == record["true_params"]);
    CHECK(summary["totals"]["params_torchsummary"] == record["total_params_reported"]);
    CHECK(summary["torchsummary"]["params_mb"].get<double>() ==
          doctest::Approx(record["params_mb"].get<double>()));
    if (record["batch_size"] != 8) {
      CHECK(summary["torchsummary"]["input_mb"] == record["input_mb"]);
      CHECK(summary["torchsummary"]["total_mb"] == record["total_mb"]);
    }
  }
}
