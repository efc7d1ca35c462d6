// JSON in tests. Reading, writing and printing it happens in one file: the templates for that take
// the compiler longer than a test does.
#pragma once

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

namespace vitals::test {

// Throws what nlohmann's parser throws.
[[nodiscard]] nlohmann::json parsed(std::string_view text);
[[nodiscard]] bool is_json(std::string_view text);

[[nodiscard]] std::string dumped(const nlohmann::json& json);
[[nodiscard]] std::string dumped(const nlohmann::ordered_json& json);

}  // namespace vitals::test

namespace doctest {

template <>
struct StringMaker<nlohmann::json> {
  static String convert(const nlohmann::json& json) { return vitals::test::dumped(json).c_str(); }
};

template <>
struct StringMaker<nlohmann::ordered_json> {
  static String convert(const nlohmann::ordered_json& json) {
    return vitals::test::dumped(json).c_str();
  }
};

}  // namespace doctest
