#include "frontends/gguf/architectures.h"

#include "frontends/spec/builtin_specs.h"

#include <nlohmann/json.hpp>

#include <map>

namespace vitals {
namespace {

using nlohmann::json;

constexpr const char* kCommon = "*";

// Objects are merged key by key, lists are added, the rest is replaced.
void add_row(json& row, const json& own) {
  for (const auto& [key, value] : own.items()) {
    auto& mine = row[key];
    if (value.is_object() && mine.is_object())
      mine.update(value);
    else if ((key == "required" || key == "left_out" || key == "nullable") && mine.is_array())
      mine.insert(mine.end(), value.begin(), value.end());
    else
      mine = value;
  }
}

class Rows {
 public:
  Rows() {
    for (const auto& text : gguf_architecture_texts())
      stated_.emplace(std::string(text.name), json::parse(text.json));
    for (const auto& [name, row] : stated_)
      if (name != kCommon) resolved_.emplace(name, resolve(name));
  }

  const std::map<std::string, json, std::less<>>& all() const { return resolved_; }

 private:
  json resolve(const std::string& name) const {
    const auto& own = stated_.at(name);
    auto row = name == kCommon ? json::object() : resolve(own.value("like", std::string(kCommon)));
    add_row(row, own);
    return row;
  }

  std::map<std::string, json, std::less<>> stated_;
  std::map<std::string, json, std::less<>> resolved_;
};

const Rows& rows() {
  static const Rows all;
  return all;
}

}  // namespace

const GgufArchitecture* find_gguf_architecture(std::string_view name) {
  const auto it = rows().all().find(name);
  return it == rows().all().end() ? nullptr : &it->second;
}

std::vector<std::string> gguf_architecture_names() {
  std::vector<std::string> names;
  for (const auto& [name, row] : rows().all()) names.push_back(name);
  return names;
}

}  // namespace vitals
