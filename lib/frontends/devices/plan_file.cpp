#include "frontends/devices/plan_file.h"

#include "core/error.h"
#include "frontends/spec/json_text.h"

#include <nlohmann/json.hpp>

#include <cmath>

namespace vitals {

std::string_view plan_table_json();  // written by tools/embed_text.py

namespace plan {

const std::vector<FrameworkFactors>& built_in_factors() {
  static const std::vector<FrameworkFactors> all =
      framework_factors_from(parse_json(plan_table_json(), "built-in plans"));
  return all;
}

const FrameworkFactors& factors_of(const std::vector<FrameworkFactors>& all,
                                   const std::string& framework) {
  const FrameworkFactors* any = nullptr;
  for (const auto& one : all) {
    if (one.framework == framework) return one;
    if (one.framework.empty()) any = &one;
  }
  if (any == nullptr) fail("built-in plans: no factors for all frameworks together");
  return *any;
}

std::vector<FrameworkFactors> framework_factors_from(const nlohmann::json& value) {
  std::vector<FrameworkFactors> all;
  try {
    for (const auto& entry : value) {
      auto& one = all.emplace_back();
      one.framework = entry.at("framework").get<std::string>();
      for (const auto& field : step_factor_fields())
        one.factors.*field.member = entry.at("factors").at(std::string(field.name)).get<double>();
      for (const auto& [device, factor] : entry.at("devices").items())
        one.devices[device] = factor.get<double>();
      one.low = entry.at("range").at(0).get<double>();
      one.high = entry.at("range").at(1).get<double>();
      one.layouts = entry.at("layouts").get<std::size_t>();
    }
  } catch (const nlohmann::json::exception& error) {
    fail("built-in plans: {}", error.what());
  }
  return all;
}

nlohmann::ordered_json to_json(const std::vector<FrameworkFactors>& all) {
  const auto rounded = [](double x) { return std::round(x * 1e4) / 1e4; };
  auto list = nlohmann::ordered_json::array();
  for (const auto& one : all) {
    nlohmann::ordered_json factors;
    for (const auto& field : step_factor_fields())
      factors[std::string(field.name)] = rounded(one.factors.*field.member);
    nlohmann::ordered_json devices = nlohmann::ordered_json::object();
    for (const auto& [device, factor] : one.devices) devices[device] = rounded(factor);
    list.push_back({{"framework", one.framework},
                    {"layouts", one.layouts},
                    {"range", {rounded(one.low), rounded(one.high)}},
                    {"factors", std::move(factors)},
                    {"devices", std::move(devices)}});
  }
  return list;
}

}  // namespace plan
}  // namespace vitals
