#include "support/json.h"

namespace vitals::test {

nlohmann::json parsed(std::string_view text) { return nlohmann::json::parse(text); }

bool is_json(std::string_view text) { return nlohmann::json::accept(text); }

std::string dumped(const nlohmann::json& json) { return json.dump(); }

std::string dumped(const nlohmann::ordered_json& json) { return json.dump(); }

}  // namespace vitals::test
