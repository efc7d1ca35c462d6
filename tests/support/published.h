// Numbers that others published of models, from tests/data/language_models.json and its like.
#pragma once

#include "models/architecture.h"
#include "support/json.h"

#include <string>
#include <string_view>
#include <vector>

namespace vitals::test {

// All records of a file of tests/data.
[[nodiscard]] nlohmann::json facts(const std::string& file);

// Records whose id starts so, "params/"; fails the test when there is none.
[[nodiscard]] std::vector<nlohmann::json> published(
    std::string_view prefix, const std::string& file = "language_models.json");

// The model that a record's config describes.
[[nodiscard]] Model model_of(const nlohmann::json& record);

}  // namespace vitals::test
