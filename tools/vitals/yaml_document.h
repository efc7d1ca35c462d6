// YAML as JSON values, with the line and column of each: YAML 1.2's core schema (null, true and
// false, numbers; what stands in quotes is text). Anchors are taken; other tags are not.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <map>
#include <string>

namespace vitals::cli {

using YamlPlaces = std::map<std::string, std::string>;  // JSON pointer -> "line 3, column 5"

// Throws Error that names the line and the column.
[[nodiscard]] nlohmann::ordered_json yaml_document(const std::string& text,
                                                   const std::string& source, YamlPlaces& places);

}  // namespace vitals::cli
