// Records of timm's models under tests/data/timm, and models with fields set as `--set` does.
#pragma once

#include "frontends/spec/spec.h"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace vitals::test {

// Each has <family>_specs.json and <family>_expected.json.
[[nodiscard]] const std::vector<std::string>& timm_families();

// The expected counts of every family whose models are built in.
[[nodiscard]] std::vector<nlohmann::json> timm_expected();

// Rows of a CSV by column name. The files have no quoted cells.
[[nodiscard]] std::vector<std::map<std::string, std::string>> timm_csv(const std::string& file);

[[nodiscard]] Model with(const Model& model,
                         const std::vector<std::pair<std::string, std::string>>& fields);

// Checks counts by child of the model against a record's. What is zero may be left out there: timm
// keeps layers that never run.
void check_children(std::map<std::string, std::uint64_t> children, const nlohmann::json& expected);

}  // namespace vitals::test
