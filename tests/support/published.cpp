#include "support/published.h"

#include "frontends/hf/config.h"
#include "support/run.h"

#include <stdexcept>

namespace vitals::test {

using nlohmann::json;

json facts(const std::string& file) { return test::parsed(data(file)); }

std::vector<json> published(std::string_view prefix, const std::string& file) {
  const auto all = facts(file);
  std::vector<json> records;
  for (const auto& record : all)
    if (record["id"].get<std::string>().starts_with(prefix)) records.push_back(record);
  if (records.empty()) throw std::runtime_error("no published record " + std::string(prefix));
  return records;
}

Model model_of(const json& record) {
  return model_from_json(record["config"], record["id"].get<std::string>(), "test");
}

}  // namespace vitals::test
