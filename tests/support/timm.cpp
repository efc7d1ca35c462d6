#include "support/timm.h"

#include "core/error.h"
#include "frontends/spec/builtin.h"
#include "support/json.h"
#include "support/run.h"

#include <doctest/doctest.h>

#include <sstream>

namespace vitals::test {
namespace {

std::vector<std::string> cells(const std::string& line) {
  std::vector<std::string> result;
  std::istringstream in(line + ",");
  for (std::string cell; std::getline(in, cell, ',');) result.push_back(cell);
  return result;
}

}  // namespace

const std::vector<std::string>& timm_families() {
  static const std::vector<std::string> families = {
      "beit", "deit", "eva", "mlp_mixer", "swin_transformer", "vision_transformer_relpos", "vit"};
  return families;
}

std::vector<nlohmann::json> timm_expected() {
  std::vector<nlohmann::json> records;
  for (const auto& family : timm_families())
    for (auto& record : test::parsed(data("timm/" + family + "_expected.json")))
      if (!builtin_canonical(record["name"].get<std::string>()).empty())
        records.push_back(std::move(record));
  return records;
}

std::vector<std::map<std::string, std::string>> timm_csv(const std::string& file) {
  std::istringstream lines(data("timm/" + file));
  std::string line;
  std::getline(lines, line);
  const auto titles = cells(line);
  std::vector<std::map<std::string, std::string>> rows;
  while (std::getline(lines, line)) {
    const auto values = cells(line);
    if (values.size() != titles.size()) fail("{}: {}", file, line);
    auto& row = rows.emplace_back();
    for (std::size_t i = 0; i < titles.size(); ++i) row[titles[i]] = values[i];
  }
  if (rows.empty()) throw std::runtime_error(file + " is empty");
  return rows;
}

Model with(const Model& model, const std::vector<std::pair<std::string, std::string>>& fields) {
  std::vector<Override> overrides;
  for (const auto& [key, value] : fields) overrides.push_back({key, value, "--set " + key});
  return with_overrides(model, overrides);
}

void check_children(std::map<std::string, std::uint64_t> children, const nlohmann::json& expected) {
  for (const auto& item : expected.items()) {
    const auto& name = item.key();
    CAPTURE(name);
    CHECK(children[name] == item.value().get<std::uint64_t>());
    children.erase(name);
  }
  for (const auto& child : children) {
    const auto& name = child.first;
    CAPTURE(name);
    CHECK(child.second == 0);
  }
}

}  // namespace vitals::test
