// Models of timm: parameters and GMACs to the digits that timm's result tables
// print.
#include "conventions/conventions.h"
#include "cost/rollup.h"
#include "frontends/spec/builtin.h"
#include "frontends/spec/spec.h"
#include "support/json.h"
#include "support/refusal.h"
#include "support/run.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <sstream>

using namespace vitals;
using nlohmann::json;

namespace {

Model sized(const std::string& name, std::uint64_t side) {
  return model_from_spec({{"base", name}, {"img_size", side}}, "test", name);
}

// As many digits as the tables have.
bool prints_as(double value, const std::string& published) {
  const auto dot = published.find('.');
  const auto digits = dot == std::string::npos ? 0 : published.size() - dot - 1;
  return std::abs(value - std::stod(published)) <= 0.51 * std::pow(10.0, -double(digits)) ||
         fmt::format("{:.2f}", value) == published;
}

}  // namespace

TEST_CASE("parameters and GMACs are those of timm's result tables") {
  std::istringstream lines(test::data("timm/result_tables.csv"));
  std::string line;
  std::getline(lines, line);
  std::size_t rows = 0;
  while (std::getline(lines, line)) {
    CAPTURE(line);
    std::istringstream cells(line);
    std::string name, side, params, gmacs;
    for (auto* cell : {&name, &side, &params, &gmacs}) std::getline(cells, *cell, ',');
    const auto graph = sized(name, std::stoull(side)).build();
    CHECK(prints_as(static_cast<double>(parameters(graph).sum().value()) / 1e6, params));
    CHECK(prints_as(static_cast<double>(total(*find_convention("fvcore"), graph)->value()) / 1e9,
                    gmacs));
    ++rows;
  }
  CHECK(rows > 380);
}

TEST_CASE("what a convolutional network's spec says wrong is named") {
  const std::pair<json, const char*> faults[] = {
      {{{"architecture", "resnet"}, {"layers", {1, 2}}}, "/layers: 2 stages"},
      {{{"architecture", "resnet"}, {"block", "basic"}, {"cardinality", 2}}, "/cardinality"},
      {{{"architecture", "resnet"}, {"attn_layer", "magic"}}, "/attn_layer"},
      {{{"architecture", "regnet"}, {"w0", 25}}, "/w0: 25 is no multiple of 8"},
      {{{"architecture", "regnet"}, {"wm", 1}}, "/wm"},
      {{{"architecture", "efficientnet"}, {"blocks", json::array()}},
       "/blocks: expected a list of at least one entry"},
      {{{"architecture", "efficientnet"}, {"blocks", {"ir_r1_k3_s1"}}}, "needs channels"},
      {{{"architecture", "efficientnet"}, {"blocks", {"xx_c8"}}}, "unknown block 'xx'"},
      {{{"architecture", "efficientnet"}, {"blocks", {"ir_c8_kx"}}}, "'kx'"},
      {{{"architecture", "efficientnet"}, {"blocks", {"ir_c8_nzz"}}}, "unknown activation 'nzz'"},
      {{{"architecture", "densenet"}, {"block_config", json::array()}}, "/block_config"},
      {{{"architecture", "vgg"}, {"depths", {1}}}, "/depths: 1 stages"},
  };
  for (const auto& fault : faults) {
    const auto& described = fault.first;
    const auto& message = fault.second;
    CAPTURE(message);
    const auto said =
        test::refusal([&] { return model_from_spec(described, "my.json", "my").build(); });
    CAPTURE(said);
    CHECK(said.find(message) != std::string::npos);
  }
}

TEST_CASE("a convolutional network runs: its batch norms have variances") {
  const auto result = test::run({"bench", "test_efficientnet", "--threads", "1", "--runs", "1",
                                 "--warmup", "0", "--format", "json"});
  CAPTURE(result.err);
  CHECK(result.exit_code == 0);
}
