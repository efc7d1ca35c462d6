// The text of a launcher's configuration as keys and values. Knows no launcher and no layout.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace vitals::plan {

enum class ConfigSyntax : std::uint8_t {
  toml,    // [section] and key = value
  flags,   // --key value, a line each
  fields,  // key=value, a line each
  yaml,    // section: and indented key: value
  json,
};

// A key, with its section before a dot, and its value: {"parallelism.tp", "8"}.
using ConfigPair = std::pair<std::string, std::string>;

// Under a line of comment, where the syntax has comments. Keys of a section stand together.
[[nodiscard]] std::string config_text(ConfigSyntax syntax, const std::vector<ConfigPair>& pairs,
                                      const std::string& comment);

// The lines of a text as keys and values, in order; what is neither is passed over. JSON is read by
// the same rule: a value a line, as config_text writes it.
[[nodiscard]] std::vector<ConfigPair> config_pairs(ConfigSyntax syntax, const std::string& text);

}  // namespace vitals::plan
