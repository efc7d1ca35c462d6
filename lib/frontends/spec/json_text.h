// Reads JSON text from strangers: every fault names the source, the line, the column and shows the
// line. Duplicate keys and deep nesting are faults. Python's Infinity and NaN are read as such.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <string_view>

namespace vitals {

inline constexpr int kMaxJsonDepth = 64;
inline constexpr std::size_t kMaxJsonBytes = 16U << 20U;

// `source` is what the user calls the text: a file's path, "standard input", "--set KEY";
// `expected` is what it should hold.
[[nodiscard]] nlohmann::json parse_json(std::string_view text, const std::string& source,
                                        std::string_view expected = "a JSON object");

// The answer to text that is not JSON, for readers with a parser of their own: `byte` is the place
// and `what` the message that nlohmann's parser gives.
[[noreturn]] void fail_not_json(std::string_view text, const std::string& source, std::size_t byte,
                                std::string_view what);

// A value as messages quote it: its text, cut off where it is long.
[[nodiscard]] std::string brief(const nlohmann::json& value);

// Whole files, with clear errors for missing ones, directories and what cannot be read. "-" is
// standard input.
[[nodiscard]] std::string read_text(const std::string& path, std::size_t max_bytes = kMaxJsonBytes);

}  // namespace vitals
