// The fields of one Hugging Face config.json as its class would hold them: the file's own values
// over the library's defaults. Remembers which fields were asked for, so that the others can be
// told to the user. Knows no family.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace vitals {

class HfValues {
 public:
  // `path` is where the fields stand in the file, for messages: "" or "/text_config".
  HfValues(nlohmann::json fields, nlohmann::json defaults, std::string path = "");

  // Null when it is neither stated nor has a default. Dots in a name reach inside.
  [[nodiscard]] const nlohmann::json& at(const std::string& key) const;
  // Stated or defaulted, and not null.
  [[nodiscard]] bool has(const std::string& key) const;
  // Stated in the file itself.
  [[nodiscard]] bool stated(const std::string& key) const;

  // Each throws Error "/key: expected ..." for another type or a value out of range.
  [[nodiscard]] std::uint64_t integer(const std::string& key) const;
  [[nodiscard]] double number(const std::string& key) const;
  [[nodiscard]] bool flag(const std::string& key) const;
  [[nodiscard]] HfValues part(const std::string& key) const;

  [[noreturn]] void refuse(const std::string& key, const std::string& why) const;

  void know(const std::string& key) const;
  // Fields of the file that nobody asked for.
  [[nodiscard]] std::vector<std::string> unknown() const;

 private:
  // Pointers, because a header that holds JSON has to include all of nlohmann's.
  std::shared_ptr<const nlohmann::json> fields_;
  std::shared_ptr<const nlohmann::json> defaults_;
  std::string path_;
  mutable std::set<std::string> asked_;
};

}  // namespace vitals
