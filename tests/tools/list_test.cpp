// `vitals list` as a user sees it.
#include "support/json.h"
#include "support/lines.h"
#include "support/run.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace vitals;

TEST_CASE("list shows size and work of each model") {
  const auto result = test::run({"list", "vit_base_patch16_224"});
  CHECK(result.exit_code == 0);
  CHECK(result.err.empty());
  const auto rows = test::lines_of(result.out);
  REQUIRE(rows.size() == 4);  // with vit_base_patch16_224_miil
  CHECK(rows[2].find("vit_base_patch16_224") == 0);
  for (const auto* cell : {"86.57", "17.56", "197", "224"})
    CHECK(rows[2].find(cell) != std::string::npos);
}

TEST_CASE("list is sorted by what is asked for") {
  const std::pair<const char*, const char*> orders[] = {
      {"params", "params"}, {"macs", "macs"}, {"tokens", "num_tokens"}};
  for (const auto& order : orders) {
    const auto* option = order.first;
    const auto* key = order.second;
    CAPTURE(option);
    const auto result = test::run({"list", "*base*", "--format", "json", "--sort", option});
    const auto models = test::parsed(result.out)["models"];
    CHECK(models.size() > 50);
    std::vector<std::uint64_t> values;
    for (const auto& m : models) values.push_back(m[key].get<std::uint64_t>());
    CHECK(std::is_sorted(values.begin(), values.end()));
  }
  const auto largest =
      test::lines_of(test::run({"list", "*tiny*", "--names", "--sort", "params", "--reverse"}).out);
  const auto smallest =
      test::lines_of(test::run({"list", "*tiny*", "--names", "--sort", "params"}).out);
  CHECK(largest.front() == smallest.back());
}

TEST_CASE("list in its other forms") {
  const auto names = test::run({"list", "swin_t*", "--names"});
  CHECK(names.out == "swin_tiny_patch4_window7_224\n");
  const auto csv = test::run({"list", "swin_tiny", "--format", "csv"});
  CHECK(csv.out ==
        "model,architecture,params,macs,num_tokens,img_size\n"
        "swin_tiny_patch4_window7_224,swin_transformer,28288354,4490566656,3136,224\n");
  CHECK(test::lines_of(test::run({"list", "--names"}).out).size() > 270);
  const auto none = test::run({"list", "nothing_like_it"});
  CHECK(none.exit_code == 1);
  CHECK(none.out.empty());
  CHECK(test::run({"list", "--sort", "beauty"}).exit_code == 2);
}
